/** Checks that every accepted job has ended once and is billed once for what it delivered. */
import type { World } from '../world.ts';

const pageSize = 10_000;

/** The number of queued and running jobs. */
export async function countOpen({ system }: World): Promise<number> {
  const { rows } = await system.billing.db.pool.query<{ count: number }>(
    `select count(*) from jobs where status in ('queued', 'running')`,
  );
  return rows[0]?.count ?? 0;
}

/** P1: every 202 has a job that has ended, with the status that the clients saw. */
export async function checkPromises({ system, journal }: World): Promise<void> {
  const { pool } = system.billing.db;
  const open = await pool.query<{ id: string; task: string; status: string; created_at: Date }>(
    `select id, task, status, created_at from jobs where status in ('queued', 'running')`,
  );
  for (const { id, task, status, created_at } of open.rows)
    journal.addViolation('promises', `job ${id} (${task}) is still ${status}`, created_at.getTime());
  const ids = [...journal.promises.keys()];
  for (let start = 0; start < ids.length; start += pageSize) {
    const asked = ids.slice(start, start + pageSize);
    const { rows } = await pool.query<{ id: string; status: string }>(
      'select id, status from jobs where id = any($1::uuid[])',
      [asked],
    );
    const statuses = new Map(rows.map(({ id, status }) => [id, status]));
    for (const id of asked) {
      const status = statuses.get(id);
      if (status === undefined)
        journal.addViolation('promises', `job ${id} was accepted and is gone`, journal.promises.get(id));
      else journal.recordStatus(id, status);
    }
  }
}

/** One job per submission and one grant per top-up; every submission, comment and message has a unique text. */
export async function checkOnce({ system, journal, tenants }: World): Promise<void> {
  const { pool } = system.billing.db;
  const twice = await pool.query<{ input: object; ids: string[]; first_at: Date }>(
    `select input, array_agg(id)::text[] as ids, min(created_at) as first_at from jobs
     group by account_id, task, input having count(*) > 1`,
  );
  for (const { input, ids, first_at } of twice.rows)
    journal.addViolation(
      'idempotency',
      `${JSON.stringify(input)} became ${ids.length} jobs: ${ids.join(', ')}`,
      first_at.getTime(),
    );
  const grants = await pool.query<{ reason: string; tokens: number; count: number }>(
    `select reason, sum(tokens)::bigint as tokens, count(*) from token_grants
     where account_id = $1 and kind = 'top_up' group by reason`,
    [tenants.short.accountId],
  );
  const granted = new Map(grants.rows.map((row) => [row.reason, row]));
  for (const { reason, count } of grants.rows)
    if (count > 1) journal.addViolation('idempotency', `${reason} was granted ${count} times`);
  for (const [key, tokens] of journal.topUps)
    if (granted.get(key)?.tokens !== tokens)
      journal.addViolation(
        'idempotency',
        `${key} was answered with 201 for ${tokens} tokens, but ${granted.get(key)?.tokens} were granted`,
      );
}

/** P3: each call belongs to its job, each step is billed at most once, each completed job with a call is billed. */
export async function checkCharges({ system, journal }: World): Promise<void> {
  const { pool } = system.billing.db;
  const twice = await pool.query<{ job_id: string; step: string; count: number; last_at: Date }>(
    `select job_id, step, count(*), max(created_at) as last_at from ai_usage_log where billed_tokens > 0
     group by job_id, step having count(*) > 1`,
  );
  for (const { job_id, step, count, last_at } of twice.rows)
    journal.addViolation('charges', `step ${step} of job ${job_id} is billed ${count} times`, last_at.getTime());
  const mismatched = await pool.query<{ id: string; job_id: string; created_at: Date }>(
    `select u.id, u.job_id, u.created_at from ai_usage_log u left join jobs j on j.id = u.job_id
     where u.task <> 'adjustment' and (j.account_id, j.task) is distinct from (u.account_id, u.task)`,
  );
  for (const { id, job_id, created_at } of mismatched.rows)
    journal.addViolation(
      'charges',
      `call ${id} is of another account or task than its job ${job_id}`,
      created_at.getTime(),
    );
  const wrong = await pool.query<{ id: string; task: string; charges: number; finished_at: Date }>(
    `with charged as (
       -- A billed but unusable answer is repeated as a step of its own.
       select job_id, count(*) as charges, count(*) filter (where outcome in ('cut_off', 'malformed')) as repeated
       from ai_usage_log where billed_tokens > 0 group by job_id
     )
     select j.id, j.task, coalesce(c.charges, 0)::bigint as charges, j.finished_at
     from jobs j left join charged c on c.job_id = j.id
     where j.status = 'completed' and case
       -- With the inputs of these clients, each job has one usable answer.
       when j.task in ('ask-question', 'prompt-enhancement', 'product-qa') then
         coalesce(c.charges, 0) < 1 or c.charges - c.repeated > 1
       when j.task = 'instagram-dm' then
         j.result ->> 'silent' is null and (coalesce(c.charges, 0) < 1 or c.charges - c.repeated > 1)
       -- One reply may answer several messages; a message that arrives meanwhile causes another call.
       when j.task = 'customer-chat' then j.result ->> 'reply' is not null and not exists (
         select from messages m join charged a on a.job_id = m.answer_job where m.id = j.id)
     end`,
  );
  for (const { id, task, charges, finished_at } of wrong.rows)
    journal.addViolation('charges', `job ${id} (${task}) is completed with ${charges} charges`, finished_at.getTime());
}
