/** Links sent by e-mail, which prove that their reader has the address. */
import { createHash } from 'node:crypto';
import { newId } from '@tally/core';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { and, eq, gt, isNull, sql } from '../../drizzle.ts';
import { accounts, apiKeys, emailLinks, recoveryCodes, signupPlans, subscriptions } from '../../schema/index.ts';
import { type NewPeriod, startPeriodIn } from '../ledger/subscriptions.ts';
import type { Account } from './accounts.ts';
import { contentTables } from './erasure.ts';

type EmailLink = typeof emailLinks.$inferSelect;
export type LinkPurpose = EmailLink['purpose'];

const maxLinks = 5;

/**
 * Stores a link by its token's hash; of one account and purpose the latest 5 are kept. `passwordHash` is that of a
 * second registration of an unconfirmed address.
 */
export async function insertEmailLink(
  db: Database,
  link: Pick<EmailLink, 'tokenHash' | 'accountId' | 'purpose'> & { passwordHash?: string | undefined; lifeMs: number },
): Promise<void> {
  await db.pool.query(
    `with older as (
       delete from email_links where token_hash in (
         select token_hash from email_links where account_id = $2 and purpose = $3 order by created_at desc offset ${maxLinks - 1})
     )
     insert into email_links (token_hash, account_id, purpose, password_hash, expires_at)
     values ($1, $2, $3, $4, now() + make_interval(secs => $5 / 1000.0))`,
    [link.tokenHash, link.accountId, link.purpose, link.passwordHash ?? null, link.lifeMs],
  );
}

export type FollowedLink = Pick<Account, 'role' | 'tokenVersion'> & {
  accountId: string;
  hasSecondFactor: boolean;
  /** Whether the plan for new accounts was started now. */
  hasPlan: boolean;
};

const isValid = (link: Pick<EmailLink, 'tokenHash' | 'purpose'>) =>
  and(
    eq(emailLinks.tokenHash, link.tokenHash),
    eq(emailLinks.purpose, link.purpose),
    isNull(emailLinks.usedAt),
    gt(emailLinks.expiresAt, sql`now()`),
  );

/** The address and password hash that a valid link confirms: its own hash where it has one, else the account's. */
export async function findEmailLink(
  db: Database,
  link: Pick<EmailLink, 'tokenHash' | 'purpose'>,
): Promise<Pick<Account, 'email' | 'passwordHash'> | undefined> {
  const rows = await db.orm
    .select({
      email: accounts.email,
      passwordHash: sql<string>`coalesce(${emailLinks.passwordHash}, ${accounts.passwordHash})`,
    })
    .from(emailLinks)
    .innerJoin(accounts, and(eq(accounts.id, emailLinks.accountId), isNull(accounts.erasedAt)))
    .where(isValid(link));
  return rows[0];
}

/**
 * Uses a link, once. Both purposes confirm the address; a reset, or a link with its own password, sets the password and
 * revokes every login. Setting it on an unconfirmed account also deletes its API keys, its second factor and, if it never
 * had a plan, its content. `plan` is started once per address, also if an erased account had that address.
 * Undefined where the link is not valid, or `expectedHash` is not the hash that {@link findEmailLink} would return.
 */
export async function followEmailLink(
  db: Database,
  link: Pick<EmailLink, 'tokenHash' | 'purpose'> & { passwordHash?: string; expectedHash?: string },
  plan?: Omit<NewPeriod, 'accountId'>,
): Promise<FollowedLink | undefined> {
  return inTransaction(db, async (client) => {
    const [found] = await client.orm.update(emailLinks).set({ usedAt: sql`now()` }).where(isValid(link)).returning();
    if (found === undefined) return undefined;
    const { accountId, passwordHash: linkHash } = found;
    const ofAccount = and(eq(accounts.id, accountId), isNull(accounts.erasedAt));
    const [before] = await client.orm.select().from(accounts).where(ofAccount).for('update');
    // A registration can't take over an address that has been confirmed since.
    if (before === undefined || (before.emailConfirmedAt !== null && linkHash !== null)) return undefined;
    if (link.expectedHash !== undefined && link.expectedHash !== (linkHash ?? before.passwordHash)) return undefined;
    const passwordHash = link.passwordHash ?? linkHash;
    const tokenVersion = before.tokenVersion + (passwordHash === null ? 0 : 1);
    await client.orm
      .update(accounts)
      .set({
        emailConfirmedAt: sql`coalesce(${accounts.emailConfirmedAt}, now())`,
        tokenVersion,
        ...(passwordHash !== null && { passwordHash }),
      })
      .where(eq(accounts.id, accountId));
    await client.orm
      .update(emailLinks)
      .set({ usedAt: sql`coalesce(${emailLinks.usedAt}, now())` })
      .where(eq(emailLinks.accountId, accountId));
    const isTakeover = before.emailConfirmedAt === null && passwordHash !== null;
    if (isTakeover) await deletePreviousAccess(client, accountId);
    const hasPlan = plan !== undefined && (await startFirstPlan(client, { accountId, email: before.email }, plan));
    const hasSecondFactor = before.totpEnabledAt !== null && !isTakeover;
    return { accountId, role: before.role, tokenVersion, hasSecondFactor, hasPlan };
  });
}

/** Deletes the access, and without a plan the content, that an unconfirmed registration has left. */
async function deletePreviousAccess(client: Transaction, accountId: string): Promise<void> {
  await client.orm.update(accounts).set({ totpSecret: null, totpEnabledAt: null }).where(eq(accounts.id, accountId));
  await client.orm.delete(apiKeys).where(eq(apiKeys.accountId, accountId));
  await client.orm.delete(recoveryCodes).where(eq(recoveryCodes.accountId, accountId));
  // A paying customer who resets the password before confirming keeps the content.
  if (await hadPlan(client, accountId)) return;
  for (const table of contentTables) await client.query(`delete from ${table} where account_id = $1`, [accountId]);
}

const hadPlan = async ({ orm }: Transaction, accountId: string): Promise<boolean> =>
  (await orm.$count(subscriptions, eq(subscriptions.accountId, accountId))) > 0;

async function startFirstPlan(
  client: Transaction,
  { accountId, email }: Pick<Account, 'email'> & { accountId: string },
  plan: Omit<NewPeriod, 'accountId'>,
): Promise<boolean> {
  if (await hadPlan(client, accountId)) return false;
  const addressHash = createHash('sha256').update(canonicalAddress(email)).digest();
  const { rowCount } = await client.orm.insert(signupPlans).values({ addressHash }).onConflictDoNothing();
  if (rowCount !== 1) return false;
  await startPeriodIn(client, newId(), { accountId, ...plan });
  return true;
}

/** The same for all addresses of one mailbox: in lower case, without a `+tag`, and without dots at Gmail. */
function canonicalAddress(email: string): string {
  const [, name = '', domain = ''] = /^(.*)@(.*)$/s.exec(email.toLowerCase()) ?? [];
  const local = name.split('+')[0] || name;
  const isGmail = domain === 'gmail.com' || domain === 'googlemail.com';
  return isGmail ? `${local.replaceAll('.', '')}@gmail.com` : `${local}@${domain}`;
}

/** Deletes up to `limit` links that expired more than a day ago; returns how many. */
export async function deleteOldEmailLinks(db: Database, limit: number): Promise<number> {
  const { rowCount } = await db.pool.query(
    `delete from email_links where token_hash in (
       select token_hash from email_links where expires_at < now() - interval '1 day' order by expires_at limit $1)`,
    [limit],
  );
  return rowCount ?? 0;
}
