/** Erasing an account: its content is deleted, the ledger stays. Begun at once, finished in pages, safe to repeat. */
import { minId } from '@tally/core';
import { type Database, inTransaction } from '../../connect.ts';
import { and, asc, eq, isNotNull, isNull, sql } from '../../drizzle.ts';
import { accounts, apiKeys, instagramAccounts } from '../../schema/index.ts';
import { endSubscription } from '../ledger/subscriptions.ts';
import type { Account } from './accounts.ts';

export type ErasureStart =
  | { outcome: 'begun'; erasedAt: Date }
  /** The last operator account can't be erased. */
  | { outcome: 'last_operator' }
  | { outcome: 'no_account' };

// A domain without mailboxes (RFC 2606), where no registration is accepted.
const erasedDomain = '@erased.invalid';

/** Whether an address is one that erased accounts get. */
export const isErasedAddress = (email: string): boolean => email.toLowerCase().endsWith(erasedDomain);

/**
 * Shuts an account in one transaction: logins, API keys, Instagram tokens and billing end. {@link eraseRows} does the
 * rest. `passwordHash` is the hash of an unknown password. Repeating it changes nothing.
 */
export async function beginErasure(
  db: Database,
  input: { accountId: string; passwordHash: string },
): Promise<ErasureStart> {
  return inTransaction(db, async (client) => {
    // One at a time: two operators who erase each other must not both succeed.
    await client.query(`select pg_advisory_xact_lock(hashtextextended('tally:erasure', 0))`);
    const { rows } = await client.query<Pick<Account, 'erasedAt'> & { isLastOperator: boolean }>(
      `select a.erased_at as "erasedAt", a.role = 'operator' and not exists (
         select from accounts o where o.role = 'operator' and o.erased_at is null and o.id <> a.id) as "isLastOperator"
       from accounts a where a.id = $1 for update`,
      [input.accountId],
    );
    const [account] = rows;
    if (account === undefined) return { outcome: 'no_account' };
    if (account.erasedAt !== null) return { outcome: 'begun', erasedAt: account.erasedAt };
    if (account.isLastOperator) return { outcome: 'last_operator' };
    const [erased] = await client.orm
      .update(accounts)
      .set({
        erasedAt: sql`now()`,
        email: `erased-${input.accountId}${erasedDomain}`,
        passwordHash: input.passwordHash,
        role: 'tenant',
        suspendedReason: null,
        totpSecret: null,
        totpEnabledAt: null,
        tokenVersion: sql`${accounts.tokenVersion} + 1`,
      })
      .where(eq(accounts.id, input.accountId))
      .returning({ erasedAt: accounts.erasedAt });
    await client.orm.delete(apiKeys).where(eq(apiKeys.accountId, input.accountId));
    await client.orm
      .update(instagramAccounts)
      .set({ accessToken: '', state: 'needs_login', stateReason: null, autoReply: false })
      .where(eq(instagramAccounts.accountId, input.accountId));
    await endSubscription(client, input.accountId);
    return { outcome: 'begun', erasedAt: erased?.erasedAt ?? new Date() };
  });
}

// The opt-outs of its Instagram accounts, except where another tenant is connected to the same one now.
const optOuts = `from instagram_opt_outs o where o.ig_user_id in (
    select ig_user_id from instagram_accounts where account_id = $1
    union select ig_user_id from conversations where account_id = $1
    union select ig_user_id from webhook_events where account_id = $1)
  and not exists (select from instagram_accounts a where a.ig_user_id = o.ig_user_id and a.account_id <> $1)`;

// Tables with an account_id whose rows are deleted, ordered so that rows are deleted before those they refer to.
export const contentTables = [
  'instagram_accounts',
  'workflows',
  'webhook_events',
  'instagram_sends',
  'messages',
  'conversations',
  'qa_pairs',
  'products',
  'knowledge',
  'passages',
  'prompts',
] as const;
const wholeTables = [...contentTables, 'idempotency_keys', 'api_keys', 'email_links', 'recovery_codes'] as const;

const limit = 500;

/** Deleted rows by table; of `jobs`, rows whose texts were deleted. */
export type Removed = Record<string, number>;

export type ErasurePass = {
  removed: Removed;
  /** Queued jobs that were ended as cancelled. */
  cancelledJobs: number;
  /** False while a job runs, where a row was locked by another transaction, or when the time ran out. */
  isClean: boolean;
};

/**
 * Goes once through everything that an erased account has, in pages of one transaction each. Running jobs are left
 * alone: without a subscription they end at their next model call, and the next pass deletes what they leave.
 */
export async function eraseRows(
  db: Database,
  accountId: string,
  { limitMs = Number.POSITIVE_INFINITY }: { limitMs?: number } = {},
): Promise<ErasurePass> {
  const until = performance.now() + limitMs;
  const hasTime = () => performance.now() < until;
  const removed: Removed = {};
  const remove = async (table: string, page: string) => {
    for (let found = -1; found !== 0 && hasTime(); ) {
      found = (await db.pool.query(page, [accountId, limit])).rowCount ?? 0;
      if (found > 0) removed[table] = (removed[table] ?? 0) + found;
    }
  };
  await remove(
    'instagram_opt_outs',
    `delete from instagram_opt_outs where ctid = any(array(select o.ctid ${optOuts} limit $2 for update of o skip locked))`,
  );
  let cancelledJobs = 0;
  for (let afterId: string | null = minId; afterId !== null && hasTime(); ) {
    const page: JobsPage = await eraseJobsPage(db, accountId, afterId);
    if (page.erased > 0) removed.jobs = (removed.jobs ?? 0) + page.erased;
    cancelledJobs += page.cancelled;
    afterId = page.lastId;
  }
  for (const table of wholeTables)
    await remove(
      table,
      `delete from ${table} where ctid = any(array(
         select ctid from ${table} where account_id = $1 limit $2 for update skip locked))`,
    );
  return { removed, cancelledJobs, isClean: hasTime() && !(await hasRows(db, accountId)) };
}

/** `lastId` is where the next page begins, null after the last. */
type JobsPage = { lastId: string | null; erased: number; cancelled: number };

/** Cancels the queued jobs of a page, by id, and deletes the texts of those that have ended. */
async function eraseJobsPage(db: Database, accountId: string, afterId: string): Promise<JobsPage> {
  const { rows } = await db.pool.query<JobsPage>(
    `with page as materialized (
       select id from jobs where account_id = $1 and id > $2 order by id limit $3
     ), due as materialized (
       select id, status, 200 + octet_length(input::text) as bytes from jobs
       where id in (select id from page) and status <> 'running' and input is not null order by id for update
     ), steps as (
       delete from job_steps where job_id in (select id from due)
     ), freed as (
       update account_storage set bytes = bytes - (select sum(bytes) from due)
       where account_id = $1 and exists (select from due)
     ), blanked as (
       update jobs j set input = null, result = null, progress = null, error = null,
         status = case d.status when 'queued' then 'cancelled' else d.status end,
         error_code = case d.status when 'queued' then 'cancelled' else j.error_code end,
         finished_at = coalesce(j.finished_at, now())
       from due d where j.id = d.id returning d.status
     )
     select (select id from page order by id desc limit 1) as "lastId", (select count(*) from blanked) as erased,
       (select count(*) from blanked where status = 'queued') as cancelled`,
    [accountId, afterId, limit],
  );
  return rows[0] ?? { lastId: null, erased: 0, cancelled: 0 };
}

async function hasRows(db: Database, accountId: string): Promise<boolean> {
  const kept = [
    ...wholeTables.map((table) => `exists (select from ${table} where account_id = $1)`),
    'exists (select from jobs where account_id = $1 and input is not null)',
  ];
  const { rows } = await db.pool.query<{ has: boolean }>(`select ${kept.join(' or ')} as has`, [accountId]);
  return rows[0]?.has ?? false;
}

/** How many rows {@link eraseRows} would find, by table. */
export async function countErasable(db: Database, accountId: string): Promise<Removed> {
  const counts = [
    `select 'instagram_opt_outs' as table, count(*) as rows ${optOuts}`,
    `select 'jobs', count(*) from jobs where account_id = $1 and input is not null`,
    ...wholeTables.map((table) => `select '${table}', count(*) from ${table} where account_id = $1`),
  ];
  const { rows } = await db.pool.query<{ table: string; rows: number }>(counts.join(' union all '), [accountId]);
  return Object.fromEntries(rows.filter(({ rows }) => rows > 0).map(({ table, rows }) => [table, rows]));
}

/** Ids of accounts whose erasure was begun and not finished, the oldest first. */
export async function listErasures(db: Database, limit: number): Promise<string[]> {
  const rows = await db.orm
    .select({ id: accounts.id })
    .from(accounts)
    .where(and(isNotNull(accounts.erasedAt), isNull(accounts.erasureEndedAt)))
    .orderBy(asc(accounts.erasedAt))
    .limit(limit);
  return rows.map(({ id }) => id);
}

/**
 * Marks an erasure as finished. False where it was begun less than `graceMs` ago: an earlier request may still be
 * writing.
 */
export async function endErasure(db: Database, accountId: string, graceMs: number): Promise<boolean> {
  const isPastGrace = sql`${accounts.erasedAt} <= now() - make_interval(secs => ${graceMs} / 1000.0)`;
  const { rowCount } = await db.orm
    .update(accounts)
    .set({ erasureEndedAt: sql`now()` })
    .where(and(eq(accounts.id, accountId), isPastGrace, isNull(accounts.erasureEndedAt)));
  return rowCount === 1;
}
