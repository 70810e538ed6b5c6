/** Links that were sent by e-mail: who follows one has the address. */
import { createHash } from 'node:crypto';
import { newId } from '@tally/core';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { type NewPeriod, startPeriodIn } from '../ledger/subscriptions.ts';
import type { Account } from './accounts.ts';
import { contentTables } from './erasure.ts';

export type LinkPurpose = 'confirm' | 'reset';

// Whoever asks for more gets the latest.
const linksKept = 5;

/** Stores a link by its token's hash. `passwordHash`: of one who claims an address that nobody has confirmed. */
export async function insertEmailLink(
  db: Database,
  link: {
    tokenHash: Buffer;
    accountId: string;
    purpose: LinkPurpose;
    passwordHash?: string | undefined;
    lifeMs: number;
  },
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

/** Whose a link is, and the password's hash that goes with it: of who claims the address, or the account's. */
export async function findEmailLink(
  db: Database,
  link: { tokenHash: Buffer; purpose: LinkPurpose },
): Promise<{ email: string; passwordHash: string } | undefined> {
  const { rows } = await db.pool.query<{ email: string; passwordHash: string }>(
    `select a.email, coalesce(l.password_hash, a.password_hash) as "passwordHash"
     from email_links l join accounts a on a.id = l.account_id and a.erased_at is null
     where l.token_hash = $1 and l.purpose = $2 and l.used_at is null and l.expires_at > now()`,
    [link.tokenHash, link.purpose],
  );
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
  link: { tokenHash: Buffer; purpose: LinkPurpose; passwordHash?: string; expectedHash?: string },
  plan?: Omit<NewPeriod, 'accountId'>,
): Promise<FollowedLink | undefined> {
  return inTransaction(db, async (client) => {
    const { rows } = await client.query<{ account_id: string; password_hash: string | null }>(
      `update email_links set used_at = now()
       where token_hash = $1 and purpose = $2 and used_at is null and expires_at > now() returning account_id, password_hash`,
      [link.tokenHash, link.purpose],
    );
    const [found] = rows;
    if (found === undefined) return undefined;
    const { account_id: accountId, password_hash: claimed } = found;
    const account = await client.query<{
      email: string;
      role: Account['role'];
      token_version: number;
      password_hash: string;
      is_confirmed: boolean;
      has_second_factor: boolean;
    }>(
      `select email, role, token_version, password_hash, email_confirmed_at is not null as is_confirmed,
         totp_enabled_at is not null as has_second_factor
       from accounts where id = $1 and erased_at is null for update`,
      [accountId],
    );
    const [before] = account.rows;
    // A claim of an address that has been confirmed since is none.
    if (before === undefined || (before.is_confirmed && claimed !== null)) return undefined;
    if (link.expectedHash !== undefined && link.expectedHash !== (claimed ?? before.password_hash)) return undefined;
    const passwordHash = link.passwordHash ?? claimed;
    const tokenVersion = before.token_version + (passwordHash === null ? 0 : 1);
    await client.query(
      `update accounts set email_confirmed_at = coalesce(email_confirmed_at, now()), token_version = $2,
         password_hash = coalesce($3, password_hash) where id = $1`,
      [accountId, tokenVersion, passwordHash],
    );
    await client.query('update email_links set used_at = coalesce(used_at, now()) where account_id = $1', [accountId]);
    const isClaim = !before.is_confirmed && passwordHash !== null;
    if (isClaim) await forgetSquatter(client, accountId);
    const hasPlan = plan !== undefined && (await startFirstPlan(client, { accountId, email: before.email }, plan));
    const hasSecondFactor = before.has_second_factor && !isClaim;
    return { accountId, role: before.role, tokenVersion, hasSecondFactor, hasPlan };
  });
}

async function forgetSquatter(client: Transaction, accountId: string): Promise<void> {
  await client.query('update accounts set totp_secret = null, totp_enabled_at = null where id = $1', [accountId]);
  for (const table of ['api_keys', 'recovery_codes'])
    await client.query(`delete from ${table} where account_id = $1`, [accountId]);
  // Somebody who was sold a plan unconfirmed, and has forgotten the password, keeps the work that it paid for.
  const { rowCount: plans } = await client.query('select from subscriptions where account_id = $1 limit 1', [
    accountId,
  ]);
  if (plans !== 0) return;
  for (const table of contentTables) await client.query(`delete from ${table} where account_id = $1`, [accountId]);
}

async function startFirstPlan(
  client: Transaction,
  { accountId, email }: { accountId: string; email: string },
  plan: Omit<NewPeriod, 'accountId'>,
): Promise<boolean> {
  const { rowCount: earlier } = await client.query('select from subscriptions where account_id = $1 limit 1', [
    accountId,
  ]);
  if (earlier !== 0) return false;
  const { rowCount } = await client.query(
    'insert into signup_plans (address_hash) values ($1) on conflict do nothing',
    [createHash('sha256').update(mailboxOf(email)).digest()],
  );
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
