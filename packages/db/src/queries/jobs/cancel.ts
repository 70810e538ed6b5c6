/** Cancelling a job, and putting one back that ended badly. */
import { type Database, inTransaction } from '../../connect.ts';
import type { RowOf } from '../../schema/columns.ts';
import type { JobStatus, jobs } from '../../schema/index.ts';
import type { Dispatch } from './recover.ts';

/** What became of the wish to cancel: `status` is `running` where the worker has yet to see it. */
export type Cancellation = { status: JobStatus; queued: Dispatch | undefined };

/**
 * Ends a queued job as cancelled, and marks a running one; one that has ended stays as it is. `queued` is what has to
 * leave the queue. Undefined where the account has no such job; an undefined account means any.
 */
export async function cancelJob(
  db: Database,
  input: { accountId: string | undefined; jobId: string },
): Promise<Cancellation | undefined> {
  const { rows } = await db.hot.query<
    Pick<RowOf<typeof jobs>, 'account_id' | 'task' | 'dispatch' | 'status'> & { was_queued: boolean }
  >({
    name: 'cancel_job',
    text: `
      with found as materialized (
        select id, account_id, task, dispatch, status from jobs
        where id = $1 and ($2::uuid is null or account_id = $2) for update
      ), marked as (
        update jobs j set cancel_requested_at = coalesce(j.cancel_requested_at, now()) from found f
        where j.id = f.id and f.status = 'running'
      ), ended as (
        update jobs j set status = 'cancelled', error = 'Cancelled', error_code = 'cancelled', finished_at = now(),
          cancel_requested_at = now()
        from found f where j.id = f.id and f.status = 'queued'
      )
      select account_id, task, dispatch, case status when 'queued' then 'cancelled' else status end as status,
        status = 'queued' as was_queued
      from found`,
    values: [input.jobId, input.accountId ?? null],
  });
  const row = rows[0];
  if (row === undefined) return undefined;
  const { account_id: accountId, task, dispatch, status } = row;
  return {
    status,
    queued: row.was_queued ? { jobId: input.jobId, accountId, task, dispatch, delayMs: 0 } : undefined,
  };
}

/**
 * Queues failed and rejected jobs again, under the next dispatch and with their attempts counted anew; all others are left
 * alone, those whose input has expired among them. What their steps paid for is replayed, so nothing is charged twice. A
 * message that Instagram refused may leave again; one of which nobody knows whether it arrived may not. With an account
 * only its own.
 */
export async function requeueJobs(db: Database, jobIds: string[], accountId?: string): Promise<Dispatch[]> {
  return inTransaction(db, async (client) => {
    const { rows } = await client.query<Pick<RowOf<typeof jobs>, 'id' | 'account_id' | 'task' | 'dispatch'>>(
      `with due as (
         select id from jobs where id = any($1::uuid[]) and status in ('failed', 'rejected') and input is not null
           and cancel_requested_at is null and ($2::uuid is null or account_id = $2)
         order by id for update
       )
       update jobs j set status = 'queued', dispatch = j.dispatch + 1, attempts = 0, waits = 0, run_after = now(),
         requeued_at = now(),
         result = null, error = null, error_code = null, finished_at = null
       from due where j.id = due.id
       returning j.id, j.account_id, j.task, j.dispatch`,
      [jobIds, accountId ?? null],
    );
    const ids = rows.map(({ id }) => id);
    await client.query(
      `update instagram_sends set state = 'not_sent' where id = any($1::uuid[]) and state = 'failed'`,
      [ids],
    );
    await client.query(
      `update messages set delivery = 'sending' where delivery = 'failed'
         and id in (select m.reply_id from messages m where m.answer_job = any($1::uuid[]))`,
      [ids],
    );
    return rows.map(({ id, account_id, task, dispatch }) => ({
      jobId: id,
      accountId: account_id,
      task,
      dispatch,
      delayMs: 0,
    }));
  });
}

export type EndedJob = Pick<typeof jobs.$inferSelect, 'id' | 'accountId' | 'task' | 'errorCode'> & { finishedAt: Date };

/** Failed and rejected jobs after `afterId`, in order of id; what is undefined is not looked at. */
export async function listRequeueable(
  db: Database,
  input: {
    jobIds?: string[] | undefined;
    task?: string | undefined;
    errorCode?: string | undefined;
    accountId?: string | undefined;
    finishedAfter?: Date | undefined;
    afterId: string;
    limit: number;
  },
): Promise<EndedJob[]> {
  const { rows } = await db.pool.query<EndedJob>(
    `select id, account_id as "accountId", task, error_code as "errorCode", finished_at as "finishedAt" from jobs
     where status in ('failed', 'rejected') and input is not null and id > $1
       and ($2::uuid[] is null or id = any($2)) and ($3::text is null or task = $3)
       and ($4::text is null or error_code = $4) and ($5::uuid is null or account_id = $5)
       and ($6::timestamptz is null or finished_at >= $6)
     order by id limit $7`,
    [
      input.afterId,
      input.jobIds ?? null,
      input.task ?? null,
      input.errorCode ?? null,
      input.accountId ?? null,
      input.finishedAfter ?? null,
      input.limit,
    ],
  );
  return rows;
}
