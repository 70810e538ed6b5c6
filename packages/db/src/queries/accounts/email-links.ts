/** Links that were sent by e-mail: who follows one has the address. */
import { createHash } from 'node:crypto';
import { newId } from '@tally/core';
import { and, eq, gt, isNull, sql } from 'drizzle-orm';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { accounts, apiKeys, emailLinks, recoveryCodes, signupPlans, subscriptions } from '../../schema/index.ts';
import { type NewPeriod, startPeriodIn } from '../ledger/subscriptions.ts';
import type { Account } from './accounts.ts';
import { contentTables } from './erasure.ts';

type EmailLink = typeof emailLinks.$inferSelect;
export type LinkPurpose = EmailLink['purpose'];

// Whoever asks for more gets the latest.
const linksKept = 5;

/** Stores a link by its token's hash. `passwordHash`: of one who claims an address that nobody has confirmed. */
export async function insertEmailLink(
  db: Database,
  link: Pick<EmailLink, 'tokenHash' | 'accountId' | 'purpose'> & { passwordHash?: string | undefined; lifeMs: number },
): Promise<void> {
  await db.pool.query(
    `with older as (
       delete from email_links where token_hash in (
         select token_hash from email_links where account_id = $2 and purpose = $3 order by created_at desc offset ${linksKept - 1})
     )
     insert into email_links (token_hash, account_id, purpose, password_hash, expires_at)
     values ($1, $2, $3, $4, now() + make_interval(secs => $5 / 1000.0))`,
    [link.tokenHash, link.accountId, link.purpose, link.passwordHash ?? null, link.lifeMs],
  );
}

export type FollowedLink = Pick<Account, 'role' | 'tokenVersion'> & {
  accountId: string;
  /** Whether a login wants a code, too. */
  hasSecondFactor: boolean;
  /** Whether the plan for new accounts was started now. */
  hasPlan: boolean;
};

const isGood = (link: Pick<EmailLink, 'tokenHash' | 'purpose'>) =>
  and(
    eq(emailLinks.tokenHash, link.tokenHash),
    eq(emailLinks.purpose, link.purpose),
    isNull(emailLinks.usedAt),
    gt(emailLinks.expiresAt, sql`now()`),
  );

/** Whose a link is, and the password's hash that goes with it: of who claims the address, or the account's. */
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
    .where(isGood(link));
  return rows[0];
}

/**
 * Follows a link, once. A confirmation makes the address its owner's, where `expectedHash` is still the password's that goes
 * with it; a reset sets the password, which ends every login, and confirms, too. Who had the address before, unconfirmed, keeps
 * nothing of it: neither keys nor a second factor, nor what an account without any plan had there. `plan` is what a new account starts on: an address gets it once, also after its account was erased.
 * Undefined where there is no such link, or none that is still good.
 */
export async function followEmailLink(
  db: Database,
  link: Pick<EmailLink, 'tokenHash' | 'purpose'> & { passwordHash?: string; expectedHash?: string },
  plan?: Omit<NewPeriod, 'accountId'>,
): Promise<FollowedLink | undefined> {
  return inTransaction(db, async (client) => {
    const [found] = await client.orm.update(emailLinks).set({ usedAt: sql`now()` }).where(isGood(link)).returning();
    if (found === undefined) return undefined;
    const { accountId, passwordHash: claimed } = found;
    const ofAccount = and(eq(accounts.id, accountId), isNull(accounts.erasedAt));
    const [before] = await client.orm.select().from(accounts).where(ofAccount).for('update');
    // A claim of an address that has been confirmed since is none.
    if (before === undefined || (before.emailConfirmedAt !== null && claimed !== null)) return undefined;
    if (link.expectedHash !== undefined && link.expectedHash !== (claimed ?? before.passwordHash)) return undefined;
    const passwordHash = link.passwordHash ?? claimed;
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
    const isClaim = before.emailConfirmedAt === null && passwordHash !== null;
    if (isClaim) await forgetSquatter(client, accountId);
    const hasPlan = plan !== undefined && (await startFirstPlan(client, { accountId, email: before.email }, plan));
    const hasSecondFactor = before.totpEnabledAt !== null && !isClaim;
    return { accountId, role: before.role, tokenVersion, hasSecondFactor, hasPlan };
  });
}

async function forgetSquatter(client: Transaction, accountId: string): Promise<void> {
  await client.orm.update(accounts).set({ totpSecret: null, totpEnabledAt: null }).where(eq(accounts.id, accountId));
  await client.orm.delete(apiKeys).where(eq(apiKeys.accountId, accountId));
  await client.orm.delete(recoveryCodes).where(eq(recoveryCodes.accountId, accountId));
  // Somebody who was sold a plan unconfirmed, and has forgotten the password, keeps the work that it paid for.
  if (await hadPlan(client, accountId)) return;
  for (const table of contentTables) await client.query(`delete from ${table} where account_id = $1`, [accountId]);
}

async function hadPlan({ orm }: Transaction, accountId: string): Promise<boolean> {
  const ofAccount = eq(subscriptions.accountId, accountId);
  return (await orm.select({ id: subscriptions.id }).from(subscriptions).where(ofAccount).limit(1)).length > 0;
}

async function startFirstPlan(
  client: Transaction,
  { accountId, email }: Pick<Account, 'email'> & { accountId: string },
  plan: Omit<NewPeriod, 'accountId'>,
): Promise<boolean> {
  if (await hadPlan(client, accountId)) return false;
  const addressHash = createHash('sha256').update(mailboxOf(email)).digest();
  const { rowCount } = await client.orm.insert(signupPlans).values({ addressHash }).onConflictDoNothing();
  if (rowCount !== 1) return false;
  await startPeriodIn(client, newId(), { accountId, ...plan });
  return true;
}

const dotless = new Set(['gmail.com', 'googlemail.com']);

/** One form for the addresses of one mailbox: without a tag, and without the dots that Gmail doesn't see. */
export function mailboxOf(email: string): string {
  const at = email.lastIndexOf('@');
  const domain = email.slice(at + 1).toLowerCase();
  const local = (email.slice(0, at).toLowerCase().split('+')[0] as string) || email.slice(0, at).toLowerCase();
  return dotless.has(domain) ? `${local.replaceAll('.', '')}@gmail.com` : `${local}@${domain}`;
}

/** Deletes links that are of no use any more. */
export async function deleteOldEmailLinks(db: Database, limit: number): Promise<number> {
  const { rowCount } = await db.pool.query(
    `delete from email_links where token_hash in (
       select token_hash from email_links where expires_at < now() - interval '1 day' order by expires_at limit $1)`,
    [limit],
  );
  return rowCount ?? 0;
}
