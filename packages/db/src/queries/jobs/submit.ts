/** Submitting jobs: one statement checks access and inserts the rows, or returns the reason for a refusal. */
import type { AccessRefusal } from '@tally/core';
import type { Database } from '../../connect.ts';
import type { Storage } from '../accounts/storage.ts';

export type Submission = {
  id: string;
  accountId: string;
  task: string;
  /** The parsed input as JSON text. */
  inputJson: string;
  /** The remaining tokens that the account must have, at least 1. */
  minTokens: number;
  idempotency?: { key: string; requestHash: Buffer } | undefined;
};

export type SubmissionOutcome =
  | { outcome: 'queued' }
  /** The idempotency key was used before, by this request or another: look it up. */
  | { outcome: 'key_taken' }
  /** The next period is due: start it, then submit again. */
  | { outcome: 'renewal_due' }
  | { outcome: 'storage_full'; storage: Storage }
  | { outcome: 'refused'; reason: AccessRefusal; tokensGranted: number; tokensConsumed: number };

const sql = `
with submission as (
  select *, sum(bytes) over (partition by account_id order by position) as bytes_so_far
  from unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[], $5::bigint[], $6::text[], $7::bytea[], $8::bigint[])
    with ordinality as u (id, account_id, task, input, min_tokens, key, request_hash, bytes, position)
), judged as (
  select u.*, b.tokens_granted, b.tokens_consumed,
    case when is_period_due(a.suspended_at, s.status, s.renews, s.ends_at, n.starts_at) then 'renewal_due'
         else coalesce(access_refusal(a.suspended_at, s.status, s.starts_at, s.ends_at),
           case when b.tokens_granted - b.tokens_consumed < u.min_tokens then 'no_tokens_remaining'
             when coalesce(k.bytes, 0) + u.bytes_so_far > p.storage_bytes then 'storage_full' end)
    end as refusal,
    coalesce(k.bytes, 0) + u.bytes_so_far as storage_needed, p.storage_bytes as storage_limit
  from submission u
  left join accounts a on a.id = u.account_id
  left join booked_periods n on n.account_id = u.account_id
  left join subscriptions s on s.account_id = u.account_id and s.is_current
  left join subscription_balances b on b.subscription_id = s.id
  left join plans p on p.id = s.plan_id
  left join account_storage k on k.account_id = u.account_id
), claimed_keys as (
  insert into idempotency_keys (account_id, key, request_hash, job_id)
  select j.account_id, j.key, j.request_hash, j.id from judged j where j.refusal is null and j.key is not null
  order by j.account_id, j.key
  on conflict (account_id, key) do update
    set request_hash = excluded.request_hash, job_id = excluded.job_id, response = null, created_at = now()
    where idempotency_keys.created_at < now() - interval '24 hours'
  returning job_id
), queued as (
  insert into jobs (id, account_id, task, input)
  select j.id, j.account_id, j.task, j.input from judged j
  where j.refusal is null and (j.key is null or j.id in (select k.job_id from claimed_keys k))
  order by j.id
  returning id
)
select case when j.refusal is not null then j.refusal when q.id is null then 'key_taken' else 'queued' end as outcome,
  coalesce(j.tokens_granted, 0)::bigint as tokens_granted, coalesce(j.tokens_consumed, 0)::bigint as tokens_consumed,
  j.storage_needed::bigint, j.storage_limit
from judged j left join queued q on q.id = j.id order by j.position`;

type Row = {
  outcome: 'queued' | 'key_taken' | 'renewal_due' | 'storage_full' | AccessRefusal;
  tokens_granted: number;
  tokens_consumed: number;
  storage_needed: number;
  storage_limit: number;
};

/** Inserts the jobs whose accounts may run them; one outcome each, in order. */
export async function submitJobs(db: Database, submissions: Submission[]): Promise<SubmissionOutcome[]> {
  const { rows } = await db.hot.query<Row>({
    name: 'submit_jobs',
    text: sql,
    values: [
      submissions.map((s) => s.id),
      submissions.map((s) => s.accountId),
      submissions.map((s) => s.task),
      submissions.map((s) => s.inputJson),
      submissions.map((s) => s.minTokens),
      submissions.map((s) => s.idempotency?.key ?? null),
      submissions.map((s) => s.idempotency?.requestHash ?? null),
      submissions.map((s) => Buffer.byteLength(s.inputJson)),
    ],
  });
  return rows.map((row) => {
    if (row.outcome === 'queued' || row.outcome === 'key_taken' || row.outcome === 'renewal_due')
      return { outcome: row.outcome };
    if (row.outcome === 'storage_full')
      return { outcome: row.outcome, storage: { usedBytes: row.storage_needed, limitBytes: row.storage_limit } };
    return {
      outcome: 'refused',
      reason: row.outcome,
      tokensGranted: row.tokens_granted,
      tokensConsumed: row.tokens_consumed,
    };
  });
}
