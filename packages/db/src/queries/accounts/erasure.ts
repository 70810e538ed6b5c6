/** Erasing an account: all that it brought in goes, the ledger stays. Begun at once, finished in pages, safe to repeat. */
import { minId } from '@tally/core';
import { type Database, inTransaction } from '../../connect.ts';
import { endSubscription } from '../ledger/subscriptions.ts';
import type { Account } from './accounts.ts';

export type ErasureStart =
  | { outcome: 'begun'; erasedAt: Date }
  /** Somebody has to be left who can act for the others. */
  | { outcome: 'last_operator' }
  | { outcome: 'no_account' };

// Nobody gets mail there (RFC 2606), and nobody may register there.
const erasedDomain = '@erased.invalid';

/** Whether an address is one that erased accounts get. */
export const isErasedAddress = (email: string): boolean => email.toLowerCase().endsWith(erasedDomain);

/**
 * Shuts an account in one transaction: no login, no API key, no token of Instagram's, no further billing. The rest is
 * {@link eraseRows}'s. `passwordHash` is that of a password which nobody knows. Repeating it changes nothing.
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
    const erased = await client.query<{ erasedAt: Date }>(
      `update accounts set erased_at = now(), email = 'erased-' || id || $3, password_hash = $2, role = 'tenant',
         suspended_reason = null, totp_secret = null, totp_enabled_at = null, token_version = token_version + 1
       where id = $1 returning erased_at as "erasedAt"`,
      [input.accountId, input.passwordHash, erasedDomain],
    );
    await client.query('delete from api_keys where account_id = $1', [input.accountId]);
    await client.query(
      `update instagram_accounts set access_token = '', state = 'needs_login', state_reason = null, auto_reply = false
       where account_id = $1`,
      [input.accountId],
    );
    await endSubscription(client, input.accountId);
    return { outcome: 'begun', erasedAt: erased.rows[0]?.erasedAt ?? new Date() };
  });
}

// Whoever is connected to one of these Instagram ids now goes on knowing who wants no replies.
const optOuts = `from instagram_opt_outs o where o.ig_user_id in (
    select ig_user_id from instagram_accounts where account_id = $1
    union select ig_user_id from conversations where account_id = $1
    union select ig_user_id from webhook_events where account_id = $1)
  and not exists (select from instagram_accounts a where a.ig_user_id = o.ig_user_id and a.account_id <> $1)`;

// What has a column for its account and is deleted whole, what refers to other rows before them.
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

/** Rows by table that were deleted; of jobs, those whose texts were taken. */
export type Removed = Record<string, number>;

export type ErasurePass = {
  removed: Removed;
  /** Queued jobs that were ended as cancelled. */
  cancelledJobs: number;
  /** False while a job runs, while somebody holds on to a row, or where the time was up. */
  isClean: boolean;
};

/**
 * Goes once through everything that an erased account has, in pages of one short transaction each. Running jobs are left
 * to end, which they do at their next call, for there is nothing to pay with; what they leave is the next pass's.
 */
export async function eraseRows(
  db: Database,
  accountId: string,
  { limitMs = Number.POSITIVE_INFINITY }: { limitMs?: number } = {},
): Promise<ErasurePass> {
  const until = performance.now() + limitMs;
  const isTime = () => performance.now() < until;
  const removed: Removed = {};
  const remove = async (table: string, page: string) => {
    for (let found = -1; found !== 0 && isTime(); ) {
      found = (await db.pool.query(page, [accountId, limit])).rowCount ?? 0;
      if (found > 0) removed[table] = (removed[table] ?? 0) + found;
    }
  };
  await remove(
    'instagram_opt_outs',
    `delete from instagram_opt_outs where ctid = any(array(select o.ctid ${optOuts} limit $2 for update of o skip locked))`,
  );
  const jobs = await eraseJobs(db, accountId, isTime);
  if (jobs.erased > 0) removed.jobs = jobs.erased;
  for (const table of wholeTables)
    await remove(
      table,
      `delete from ${table} where ctid = any(array(
         select ctid from ${table} where account_id = $1 limit $2 for update skip locked))`,
    );
  return { removed, cancelledJobs: jobs.cancelled, isClean: isTime() && !(await hasRows(db, accountId)) };
}

/** Goes through all jobs in order of id: ends queued ones, and takes the texts of those that have ended. */
async function eraseJobs(
  db: Database,
  accountId: string,
  isTime: () => boolean,
): Promise<{ erased: number; cancelled: number }> {
  const total = { erased: 0, cancelled: 0 };
  for (let afterId: string | null = minId; afterId !== null && isTime(); ) {
    const page: JobsPage = await eraseJobsPage(db, accountId, afterId);
    total.erased += page.erased;
    total.cancelled += page.cancelled;
    afterId = page.lastId;
  }
  return total;
}

/** `lastId` is where the next page begins, null after the last. */
type JobsPage = { lastId: string | null; erased: number; cancelled: number };

async function eraseJobsPage(db: Database, accountId: string, afterId: string): Promise<JobsPage> {
  const { rows } = await db.pool.query<JobsPage>(
    `with page as materialized (
       select id from jobs where account_id = $1 and id > $2 order by id limit $3
     ), due as materialized (
       select id, status, 200 + octet_length(input::text) as bytes from jobs where id in (select id from page) and status <> 'running' and input is not null
       order by id for update
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

/** What {@link eraseRows} would find: rows by table. */
export async function countErasable(db: Database, accountId: string): Promise<Removed> {
  const counts = [
    `select 'instagram_opt_outs' as table, count(*) as rows ${optOuts}`,
    `select 'jobs', count(*) from jobs where account_id = $1 and input is not null`,
    ...wholeTables.map((table) => `select '${table}', count(*) from ${table} where account_id = $1`),
  ];
  const { rows } = await db.pool.query<{ table: string; rows: number }>(counts.join(' union all '), [accountId]);
  return Object.fromEntries(rows.filter(({ rows }) => rows > 0).map(({ table, rows }) => [table, rows]));
}

/** Accounts whose erasure was begun and not finished, the longest waiting first. */
export async function listErasures(db: Database, limit: number): Promise<string[]> {
  const { rows } = await db.pool.query<{ id: string }>(
    `select id from accounts where erased_at is not null and erasure_ended_at is null order by erased_at limit $1`,
    [limit],
  );
  return rows.map(({ id }) => id);
}

/**
 * Notes that nothing is left of an account, unless it was erased only `graceMs` ago: a request that came in before may
 * still be writing. False where it is too early.
 */
export async function endErasure(db: Database, accountId: string, graceMs: number): Promise<boolean> {
  const { rowCount } = await db.pool.query(
    `update accounts set erasure_ended_at = now()
     where id = $1 and erased_at <= now() - make_interval(secs => $2 / 1000.0) and erasure_ended_at is null`,
    [accountId, graceMs],
  );
  return rowCount === 1;
}
