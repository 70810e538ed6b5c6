/** What maintenance needs to bring rows back onto the queue that Redis has lost. */
import type { Database } from '../../connect.ts';
import type { RowOf } from '../../schema/columns.ts';
import type { jobs } from '../../schema/index.ts';

/** A row to be put on the queue under its number. */
export type Dispatch = { jobId: string; accountId: string; task: string; dispatch: number; delayMs: number };

type Row = Pick<RowOf<typeof jobs>, 'id' | 'account_id' | 'task' | 'dispatch'> & { delay_ms: number };
const toDispatch = (row: Row): Dispatch => ({
  jobId: row.id,
  accountId: row.account_id,
  task: row.task,
  dispatch: row.dispatch,
  delayMs: Math.max(0, row.delay_ms),
});

/** A page of a task's queued rows by id, at least `olderThanMs` old, with the dispatch that Redis should know. */
export async function listQueuedJobs(
  db: Database,
  input: { task: string; afterId: string; limit: number; olderThanMs: number },
): Promise<Dispatch[]> {
  const { rows } = await db.hot.query<Row>({
    name: 'list_queued_jobs',
    text: `
      select id, account_id, task, dispatch, ceil(extract(epoch from run_after - now()) * 1000)::bigint as delay_ms
      from jobs where status = 'queued' and task = $1 and id > $2
        and created_at <= now() - make_interval(secs => $4 / 1000.0)
      order by id limit $3`,
    values: [input.task, input.afterId, input.limit, input.olderThanMs],
  });
  return rows.map(toDispatch);
}

/**
 * Gives queued rows the next dispatch number, and puts back running rows whose lease has run out; rows that moved on
 * are left alone.
 */
export async function nextDispatches(db: Database, jobIds: string[]): Promise<Dispatch[]> {
  const { rows } = await db.hot.query<Row>({
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
      returning j.id, j.account_id, j.task, j.dispatch,
        ceil(extract(epoch from j.run_after - now()) * 1000)::bigint as delay_ms`,
    values: [jobIds],
  });
  return rows.map(toDispatch);
}

/** Running rows whose worker let the lease run out, longest ago first. */
export async function listAbandonedJobs(db: Database, limit: number): Promise<string[]> {
  const { rows } = await db.hot.query<{ id: string }>({
    name: 'list_abandoned_jobs',
    text: `select id from jobs where status = 'running' and lease_expires_at <= now()
      order by lease_expires_at limit $1`,
    values: [limit],
  });
  return rows.map((row) => row.id);
}
