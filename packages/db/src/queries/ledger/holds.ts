/** Holds in Postgres: the intent before a reserve, giving one back, sweeping, and the snapshot that hydrates Redis. */
import type { AccessRefusal } from '@tally/core';
import type { Database } from '../../connect.ts';
import type { RowOf } from '../../schema/columns.ts';
import type { subscriptionBalances, tokenHolds } from '../../schema/index.ts';

type Hold = typeof tokenHolds.$inferSelect;
type GoneRow = Pick<RowOf<typeof tokenHolds>, 'id' | 'subscription_id'>;
type SnapshotRow = Omit<RowOf<typeof subscriptionBalances>, 'subscription_id'>;

export type Intent = Pick<Hold, 'accountId' | 'jobId' | 'step' | 'fence'> & {
  holdId: string;
  wantTokens: number;
  leaseMs: number;
};

/** A subscription's balance at one version; of two, the one with the higher version is newer. */
export type Snapshot = Omit<typeof subscriptionBalances.$inferSelect, 'subscriptionId'>;

export type IntentOutcome =
  | { outcome: 'held'; subscriptionId: string; snapshot: Snapshot }
  | { outcome: 'refused'; reason: AccessRefusal }
  | { outcome: 'renewal_due' };

type IntentRow = RowOf<typeof subscriptionBalances> & { refusal: AccessRefusal | null; is_renewal_due: boolean };

/**
 * Records that calls are about to be paid for by the accounts' current subscriptions; in order. Where a period ends in
 * the same instant the answer is `no_subscription`, although the next one is there: ask again.
 */
export async function insertHolds(db: Database, intents: Intent[]): Promise<IntentOutcome[]> {
  const { rows } = await db.hot.query<IntentRow>({
    name: 'insert_holds',
    text: `
      with intent as (
        select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::integer[], $6::bigint[], $7::integer[])
          with ordinality as u (id, account_id, job_id, step, fence, tokens, lease_ms, position)
      ), running as (
        -- Waits for a period that is being ended (and then finds none): what a hold may still use must not move on.
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
    values: [
      intents.map((i) => i.holdId),
      intents.map((i) => i.accountId),
      intents.map((i) => i.jobId),
      intents.map((i) => i.step),
      intents.map((i) => i.fence),
      intents.map((i) => i.wantTokens),
      intents.map((i) => i.leaseMs),
    ],
  });
  return rows.map((row) => {
    if (row.is_renewal_due) return { outcome: 'renewal_due' };
    if (row.refusal !== null) return { outcome: 'refused', reason: row.refusal };
    return { outcome: 'held', subscriptionId: row.subscription_id, snapshot: toSnapshot(row) };
  });
}

/** Gives holds back; those that are gone already are no error. */
export async function deleteHolds(db: Database, holdIds: string[]): Promise<void> {
  await db.hot.query({
    name: 'delete_holds',
    text: `
      with held as (select id from token_holds where id = any($1::uuid[]) order by id for update)
      delete from token_holds h using held where h.id = held.id`,
    values: [holdIds],
  });
}

export type GoneHold = { holdId: string } & Pick<Hold, 'subscriptionId'>;

/** Deletes what attempts under earlier fences still hold for a job that was taken over. */
export async function deleteHoldsBefore(db: Database, jobId: string, fence: number): Promise<GoneHold[]> {
  const { rows } = await db.hot.query<GoneRow>({
    name: 'delete_holds_before',
    text: `
      with held as (select id from token_holds where job_id = $1 and fence < $2 order by id for update)
      delete from token_holds h using held where h.id = held.id returning h.id, h.subscription_id`,
    values: [jobId, fence],
  });
  return rows.map((row) => ({ holdId: row.id, subscriptionId: row.subscription_id }));
}

/** Deletes up to `limit` holds whose lease has run out; those that a settlement has locked are left to it. */
export async function sweepHolds(db: Database, limit: number): Promise<GoneHold[]> {
  const { rows } = await db.hot.query<GoneRow>({
    name: 'sweep_holds',
    text: `
      with held as (
        select id from token_holds where expires_at <= now() order by expires_at limit $1 for update skip locked
      )
      delete from token_holds h using held where h.id = held.id returning h.id, h.subscription_id`,
    values: [limit],
  });
  return rows.map((row) => ({ holdId: row.id, subscriptionId: row.subscription_id }));
}

export type HydrationSnapshot = Snapshot & { holds: { id: string; tokens: number; leaseMs: number }[] };

/**
 * What Redis is rebuilt from: deletes the subscription's holds whose lease has run out, then reads balance and live
 * holds in one snapshot. Leases cross as remaining milliseconds, for the two stores' clocks differ.
 */
export async function readHydration(db: Database, subscriptionId: string): Promise<HydrationSnapshot> {
  await db.hot.query({
    name: 'delete_expired_holds',
    text: `
      with held as (
        select id from token_holds where subscription_id = $1 and expires_at <= now() order by id for update
      )
      delete from token_holds h using held where h.id = held.id`,
    values: [subscriptionId],
  });
  const { rows } = await db.hot.query<SnapshotRow & { holds: { id: string; tokens: number; leaseMs: number }[] }>({
    name: 'read_hydration',
    text: `
      select b.tokens_granted, b.tokens_consumed, b.version, coalesce((
          select json_agg(json_build_object('id', h.id, 'tokens', h.tokens,
            'leaseMs', greatest(0, ceil(extract(epoch from h.expires_at - now()) * 1000))))
          from token_holds h where h.subscription_id = b.subscription_id), '[]') as holds
      from subscription_balances b where b.subscription_id = $1`,
    values: [subscriptionId],
  });
  const row = rows[0];
  if (row === undefined) throw new Error(`no balance for subscription ${subscriptionId}`);
  return { ...toSnapshot(row), holds: row.holds };
}

const toSnapshot = (row: SnapshotRow): Snapshot => ({
  tokensGranted: row.tokens_granted,
  tokensConsumed: row.tokens_consumed,
  version: row.version,
});

/** A subscription's balance now. @throws Error where there is no such subscription */
export async function readSnapshot(db: Database, subscriptionId: string): Promise<Snapshot> {
  const { rows } = await db.hot.query<SnapshotRow>(
    'select tokens_granted, tokens_consumed, version from subscription_balances where subscription_id = $1',
    [subscriptionId],
  );
  if (rows[0] === undefined) throw new Error(`no balance for subscription ${subscriptionId}`);
  return toSnapshot(rows[0]);
}

/**
 * Holds of which nothing can come any more: their lease has run out, or their job does not run under the claim that made
 * them. Nobody can bill one, so it may be released; after `afterId`, in order of id.
 */
export async function listDeadHolds(
  db: Database,
  input: { accountId: string | undefined; afterId: string; limit: number },
): Promise<(GoneHold & Pick<Hold, 'jobId' | 'tokens'>)[]> {
  const { rows } = await db.pool.query<GoneHold & Pick<Hold, 'jobId' | 'tokens'>>(
    `select h.id as "holdId", h.subscription_id as "subscriptionId", h.job_id as "jobId", h.tokens
     from token_holds h left join jobs j on j.id = h.job_id
     where h.id > $1 and ($2::uuid is null or h.account_id = $2)
       and (h.expires_at <= now() or (j.id is not null and (j.status <> 'running' or j.fence <> h.fence)))
     order by h.id limit $3`,
    [input.afterId, input.accountId ?? null, input.limit],
  );
  return rows;
}
