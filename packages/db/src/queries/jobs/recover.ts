/** Recovery: dispatching again the jobs that Redis has lost or whose worker died. */
import type { Database } from '../../connect.ts';

/** A job to put on the queue under this dispatch number. */
export type Dispatch = { jobId: string; accountId: string; task: string; dispatch: number; delayMs: number };

/** The columns of a {@link Dispatch} of `jobs j`. */
export const dispatchColumns = `j.id as "jobId", j.account_id as "accountId", j.task, j.dispatch,
  greatest(0, ceil(extract(epoch from j.run_after - now()) * 1000))::bigint as "delayMs"`;

/** A page of a task's queued jobs, by id, that are at least `olderThanMs` old. */
export async function listQueuedJobs(
  db: Database,
  input: { task: string; afterId: string; limit: number; olderThanMs: number },
): Promise<Dispatch[]> {
  const { rows } = await db.hot.query<Dispatch>({
    name: 'list_queued_jobs',
    text: `
      select ${dispatchColumns}
      from jobs j where j.status = 'queued' and j.task = $1 and j.id > $2
        and j.created_at <= now() - make_interval(secs => $4 / 1000.0)
      order by j.id limit $3`,
    values: [input.task, input.afterId, input.limit, input.olderThanMs],
  });
  return rows;
}

/** Gives the next dispatch number to queued jobs, and to running ones with an expired lease, which it queues. */
export async function nextDispatches(db: Database, jobIds: string[]): Promise<Dispatch[]> {
  const { rows } = await db.hot.query<Dispatch>({
    name: 'next_dispatches',
    text: `
      with due as (
        select id from jobs where id = any($1::uuid[])
          and (status = 'queued' or (status = 'running' and lease_expires_at <= now()))
        order by id for update
      )
      update jobs j set dispatch = j.dispatch + 1, status = 'queued', lease_expires_at = null,
        waits = case j.status when 'running' then 0 else j.waits end
      from due where j.id = due.id
      returning ${dispatchColumns}`,
    values: [jobIds],
  });
  return rows;
}

/** Ids of running jobs whose lease has expired, the longest ago first. */
export async function listAbandonedJobs(db: Database, limit: number): Promise<string[]> {
  const { rows } = await db.hot.query<{ id: string }>({
    name: 'list_abandoned_jobs',
    text: `select id from jobs where status = 'running' and lease_expires_at <= now()
      order by lease_expires_at limit $1`,
    values: [limit],
  });
  return rows.map((row) => row.id);
}
