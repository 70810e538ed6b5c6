/** Holds in Postgres: the intent before a reserve, release, sweep, and the snapshot that hydrates Redis. */
import type { AccessRefusal } from '@tally/core';
import type { Database } from '../../connect.ts';
import { omitColumns, type RowOf, type Selected, selectList, toArrays } from '../../schema/columns.ts';
import { subscriptionBalances, type tokenHolds } from '../../schema/index.ts';

type Hold = typeof tokenHolds.$inferSelect;

export type Intent = Pick<Hold, 'accountId' | 'jobId' | 'step' | 'fence'> & {
  holdId: string;
  wantTokens: number;
  leaseMs: number;
};

const snapshotColumns = omitColumns(subscriptionBalances, ['subscriptionId']);
/** A subscription's balance at one version; of two, the one with the higher version is newer. */
export type Snapshot = Selected<typeof snapshotColumns>;

export type IntentOutcome =
  | { outcome: 'held'; subscriptionId: string; snapshot: Snapshot }
  | { outcome: 'refused'; reason: AccessRefusal }
  | { outcome: 'renewal_due' };

type IntentRow = RowOf<typeof subscriptionBalances> & { refusal: AccessRefusal | null; is_renewal_due: boolean };

/**
 * Inserts holds of the accounts' current subscriptions for calls about to run; one outcome each, in order. Where a
 * period ends at the same time it may refuse with `no_subscription` although the next one has started: ask again.
 */
export async function insertHolds(db: Database, intents: Intent[]): Promise<IntentOutcome[]> {
  const { rows } = await db.hot.query<IntentRow>({
    name: 'insert_holds',
    text: `
      with intent as (
        select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::integer[], $6::bigint[], $7::integer[])
          with ordinality as u (id, account_id, job_id, step, fence, tokens, lease_ms, position)
      ), running as (
        -- Waits for a period that is just being ended (and then finds none), so that no hold is added to an ended one.
        select s.* from subscriptions s where s.account_id in (select account_id from intent) and s.is_current
        order by s.id for key share
      ), judged as (
        select u.*, s.id as subscription_id, access_refusal(a.suspended_at, s.status, s.starts_at, s.ends_at) as refusal,
          is_period_due(a.suspended_at, s.status, s.renews, s.ends_at, n.starts_at) as is_renewal_due,
          b.tokens_granted, b.tokens_consumed, b.version
        from intent u
        left join accounts a on a.id = u.account_id
        left join booked_periods n on n.account_id = u.account_id
        left join running s on s.account_id = u.account_id
        left join subscription_balances b on b.subscription_id = s.id
      ), held as (
        insert into token_holds (id, account_id, subscription_id, job_id, step, fence, tokens, expires_at)
        select id, account_id, subscription_id, job_id, step, fence, tokens, now() + make_interval(secs => lease_ms / 1000.0)
        from judged where refusal is null and not is_renewal_due order by id
      )
      select refusal, is_renewal_due, subscription_id, tokens_granted, tokens_consumed, version
      from judged order by position`,
    values: toArrays(intents, ['holdId', 'accountId', 'jobId', 'step', 'fence', 'wantTokens', 'leaseMs']),
  });
  return rows.map((row) => {
    if (row.is_renewal_due) return { outcome: 'renewal_due' };
    if (row.refusal !== null) return { outcome: 'refused', reason: row.refusal };
    return { outcome: 'held', subscriptionId: row.subscription_id, snapshot: toSnapshot(row) };
  });
}

export type DeletedHold = Pick<Hold, 'subscriptionId'> & { holdId: string };

/** Deletes the holds that `locked`, the end of a locking select, finds. */
async function deleteHoldsWhere(
  db: Database,
  statement: { name: string; locked: string; values: unknown[] },
): Promise<DeletedHold[]> {
  const { rows } = await db.hot.query<DeletedHold>({
    name: statement.name,
    text: `
      with held as (select id from token_holds where ${statement.locked})
      delete from token_holds h using held where h.id = held.id
      returning h.id as "holdId", h.subscription_id as "subscriptionId"`,
    values: statement.values,
  });
  return rows;
}

/** Deletes holds by id; ids without a hold are ignored. */
export async function deleteHolds(db: Database, holdIds: string[]): Promise<void> {
  const locked = 'id = any($1::uuid[]) order by id for update';
  await deleteHoldsWhere(db, { name: 'delete_holds', locked, values: [holdIds] });
}

/** Deletes the holds of a job's attempts under fences below `fence`. */
export async function deleteHoldsBefore(db: Database, jobId: string, fence: number): Promise<DeletedHold[]> {
  const locked = 'job_id = $1 and fence < $2 order by id for update';
  return deleteHoldsWhere(db, { name: 'delete_holds_before', locked, values: [jobId, fence] });
}

/** Deletes up to `limit` holds whose lease has expired, except those that a settlement has locked. */
export async function sweepHolds(db: Database, limit: number): Promise<DeletedHold[]> {
  const locked = 'expires_at <= now() order by expires_at limit $1 for update skip locked';
  return deleteHoldsWhere(db, { name: 'sweep_holds', locked, values: [limit] });
}

export type HydrationSnapshot = Snapshot & { holds: { id: string; tokens: number; leaseMs: number }[] };

/**
 * What Redis is rebuilt from: deletes the subscription's expired holds, then reads balance and live holds in one
 * snapshot. Leases are given as remaining milliseconds, since the two stores' clocks differ.
 */
export async function readHydration(db: Database, subscriptionId: string): Promise<HydrationSnapshot> {
  const locked = 'subscription_id = $1 and expires_at <= now() order by id for update';
  await deleteHoldsWhere(db, { name: 'delete_expired_holds', locked, values: [subscriptionId] });
  const { rows } = await db.hot.query<HydrationSnapshot>({
    name: 'read_hydration',
    text: `
      select ${selectList(snapshotColumns, 'b')}, coalesce((
          select json_agg(json_build_object('id', h.id, 'tokens', h.tokens,
            'leaseMs', greatest(0, ceil(extract(epoch from h.expires_at - now()) * 1000))))
          from token_holds h where h.subscription_id = b.subscription_id), '[]') as holds
      from subscription_balances b where b.subscription_id = $1`,
    values: [subscriptionId],
  });
  if (rows[0] === undefined) throw new Error(`no balance for subscription ${subscriptionId}`);
  return rows[0];
}

export const toSnapshot = (row: Omit<RowOf<typeof subscriptionBalances>, 'subscription_id'>): Snapshot => ({
  tokensGranted: row.tokens_granted,
  tokensConsumed: row.tokens_consumed,
  version: row.version,
});

/** A subscription's balance now. @throws Error where there is no such subscription */
export async function readSnapshot(db: Database, subscriptionId: string): Promise<Snapshot> {
  const { rows } = await db.hot.query<Snapshot>(
    `select ${selectList(snapshotColumns)} from subscription_balances where subscription_id = $1`,
    [subscriptionId],
  );
  if (rows[0] === undefined) throw new Error(`no balance for subscription ${subscriptionId}`);
  return rows[0];
}

/**
 * A page, by id, of holds that can no longer be billed: their lease has expired, or their job does not run under the
 * fence that made them. Of one account where it is given.
 */
export async function listDeadHolds(
  db: Database,
  input: { accountId: string | undefined; afterId: string; limit: number },
): Promise<(DeletedHold & Pick<Hold, 'jobId' | 'tokens'>)[]> {
  const { rows } = await db.pool.query<DeletedHold & Pick<Hold, 'jobId' | 'tokens'>>(
    `select h.id as "holdId", h.subscription_id as "subscriptionId", h.job_id as "jobId", h.tokens
     from token_holds h left join jobs j on j.id = h.job_id
     where h.id > $1 and ($2::uuid is null or h.account_id = $2)
       and (h.expires_at <= now() or (j.id is not null and (j.status <> 'running' or j.fence <> h.fence)))
     order by h.id limit $3`,
    [input.afterId, input.accountId ?? null, input.limit],
  );
  return rows;
}
