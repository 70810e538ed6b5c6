/** Claiming: before a worker runs a job it takes the row, under the next fence and a short lease. */
import type { Database } from '../../connect.ts';
import { toArrays } from '../../schema/columns.ts';

export type ClaimRequest = {
  /** A UUID, the same when a claim is repeated after an unknown outcome: it then finds the job that it took. */
  claimId: string;
  jobId: string;
  dispatch: number;
  leaseMs: number;
};

type ClaimedRow = {
  fence: number;
  /** Claims of the job, this one included, less the snoozed attempts. */
  attempts: number;
  waits: number;
  accountId: string;
  input: unknown;
  ageMs: number;
  /** True where cancellation was requested: the job is claimed only to be ended. */
  isCancelled: boolean;
  /** True where an earlier attempt may have died with holds, to be deleted before this one reserves. */
  mayHaveLeftHolds: boolean;
};

export type Claim =
  | ({ verdict: 'claimed' } & ClaimedRow)
  /** The job must not run now: ask again after `retryInMs`. */
  | { verdict: 'not_yet'; retryInMs: number }
  /** The job has ended, was dispatched again since, or is unknown: drop this copy. */
  | { verdict: 'stale' };

const sql = `
with wanted as (
  select * from unnest($1::uuid[], $2::integer[], $3::integer[], $4::uuid[])
    with ordinality as u (id, dispatch, lease_ms, claim_id, position)
), locked as (
  select w.position, j.id, j.status, j.run_after, j.lease_expires_at, w.dispatch = j.dispatch as is_latest, w.lease_ms,
    w.claim_id, (j.status = 'running' and j.claim_key = md5(w.claim_id::text || j.fence)::uuid) is true as is_own
  from wanted w join jobs j on j.id = w.id
  order by j.id for update of j
), due as (
  -- After a crash several copies of a job may come at once, and one of them gets it.
  select distinct on (id) * from locked
  where is_own or is_latest
    and ((status = 'queued' and run_after <= now()) or (status = 'running' and lease_expires_at <= now()))
  order by id, is_own desc, position
), claimed as (
  update jobs j set status = 'running',
    fence = j.fence + (not l.is_own)::integer, attempts = j.attempts + (not l.is_own)::integer,
    claim_key = md5(l.claim_id::text || j.fence + (not l.is_own)::integer)::uuid,
    progress = nullif(j.progress, 'waiting_for_provider'),
    started_at = coalesce(j.started_at, now()), lease_expires_at = now() + make_interval(secs => l.lease_ms / 1000.0)
  from due l where j.id = l.id
  returning l.position, j.id, j.fence, j.attempts, j.waits, j.account_id, j.input,
    coalesce(j.requeued_at, j.created_at) as accepted_at, j.cancel_requested_at,
    j.fence > 1 and (l.status = 'running' or j.waits = 0) as may_have_left_holds
)
select c.fence, c.attempts, c.waits, c.account_id as "accountId", c.input, c.may_have_left_holds as "mayHaveLeftHolds",
  greatest(0, (extract(epoch from now() - c.accepted_at) * 1000)::bigint) as "ageMs",
  c.id is not null as "isClaimed", c.cancel_requested_at is not null as "isCancelled",
  case when c.id is null and l.is_latest and l.status in ('queued', 'running') then
    greatest(1, ceil(extract(epoch from case l.status when 'queued' then l.run_after else l.lease_expires_at end - now()) * 1000))::bigint
  end as "retryInMs"
from wanted w left join locked l on l.position = w.position left join claimed c on c.position = w.position
order by w.position`;

type Row = ClaimedRow & { isClaimed: boolean; retryInMs: number | null };

/** Claims the jobs that are due or whose lease has expired, once for each claim id; one answer each, in order. */
export async function claimJobs(db: Database, requests: ClaimRequest[]): Promise<Claim[]> {
  const { rows } = await db.hot.query<Row>({
    name: 'claim_jobs',
    text: sql,
    values: toArrays(requests, ['jobId', 'dispatch', 'leaseMs', 'claimId']),
  });
  return rows.map(({ isClaimed, retryInMs, ...row }) => {
    if (isClaimed) return { verdict: 'claimed', ...row };
    return retryInMs === null ? { verdict: 'stale' } : { verdict: 'not_yet', retryInMs };
  });
}

/** Renews the leases of a process's running jobs; returns those that it still owns, by id. */
export async function renewLeases(
  db: Database,
  owned: { jobId: string; fence: number }[],
  leaseMs: number,
): Promise<Map<string, { isCancelled: boolean }>> {
  const { rows } = await db.hot.query<{ id: string; isCancelled: boolean }>({
    name: 'renew_leases',
    text: `
      with target as materialized (
        select j.id, j.fence = u.fence and j.status = 'running' as is_mine
        from unnest($1::uuid[], $2::integer[]) as u (id, fence) join jobs j on j.id = u.id
        order by j.id for update of j
      )
      update jobs j set lease_expires_at = now() + make_interval(secs => $3 / 1000.0) from target t
      where j.id = t.id and t.is_mine
      returning j.id, j.cancel_requested_at is not null as "isCancelled"`,
    values: [...toArrays(owned, ['jobId', 'fence']), leaseMs],
  });
  return new Map(rows.map(({ id, isCancelled }) => [id, { isCancelled }]));
}
