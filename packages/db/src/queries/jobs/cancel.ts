/** Cancelling jobs, and requeueing those that failed. */
import { type Database, inTransaction } from '../../connect.ts';
import type { JobStatus, jobs } from '../../schema/index.ts';
import { type Dispatch, dispatchColumns } from './recover.ts';

/** The job's status now, `running` until its worker has seen the request; `queued` is to be removed from the queue. */
export type Cancellation = { status: JobStatus; queued: Dispatch | undefined };

/**
 * Ends a queued job as cancelled, and marks a running one; one that has ended stays as it is. Undefined where the
 * account has no such job; without an account, any job is cancelled.
 */
export async function cancelJob(
  db: Database,
  input: { accountId: string | undefined; jobId: string },
): Promise<Cancellation | undefined> {
  const { rows } = await db.hot.query<Dispatch & { status: JobStatus }>({
    name: 'cancel_job',
    text: `
      with found as materialized (
        select j.id, j.status, ${dispatchColumns} from jobs j
        where j.id = $1 and ($2::uuid is null or j.account_id = $2) for update
      ), marked as (
        update jobs j set cancel_requested_at = coalesce(j.cancel_requested_at, now()) from found f
        where j.id = f.id and f.status = 'running'
      ), ended as (
        update jobs j set status = 'cancelled', error = 'Cancelled', error_code = 'cancelled', finished_at = now(),
          cancel_requested_at = now()
        from found f where j.id = f.id and f.status = 'queued'
      )
      select status, "jobId", "accountId", task, dispatch, "delayMs" from found`,
    values: [input.jobId, input.accountId ?? null],
  });
  if (rows[0] === undefined) return undefined;
  const { status, ...dispatch } = rows[0];
  return status === 'queued' ? { status: 'cancelled', queued: dispatch } : { status, queued: undefined };
}

/**
 * Queues failed and rejected jobs again, under the next dispatch and with attempts reset; others, and those whose input
 * has expired, stay as they are. Steps that were paid for are replayed. A send that Instagram refused may be repeated,
 * one with an unknown outcome may not. Only jobs of the account where it is given.
 */
export async function requeueJobs(db: Database, jobIds: string[], accountId?: string): Promise<Dispatch[]> {
  return inTransaction(db, async (client) => {
    const { rows } = await client.query<Dispatch>(
      `with due as (
         select id from jobs where id = any($1::uuid[]) and status in ('failed', 'rejected') and input is not null
           and cancel_requested_at is null and ($2::uuid is null or account_id = $2)
         order by id for update
       )
       update jobs j set status = 'queued', dispatch = j.dispatch + 1, attempts = 0, waits = 0, run_after = now(),
         requeued_at = now(),
         result = null, error = null, error_code = null, finished_at = null
       from due where j.id = due.id
       returning ${dispatchColumns}`,
      [jobIds, accountId ?? null],
    );
    const ids = rows.map(({ jobId }) => jobId);
    await client.query(
      `update instagram_sends set state = 'not_sent' where id = any($1::uuid[]) and state = 'failed'`,
      [ids],
    );
    await client.query(
      `update messages set delivery = 'sending' where delivery = 'failed'
         and id in (select m.reply_id from messages m where m.answer_job = any($1::uuid[]))`,
      [ids],
    );
    return rows;
  });
}

export type EndedJob = Pick<typeof jobs.$inferSelect, 'id' | 'accountId' | 'task' | 'errorCode'> & { finishedAt: Date };

/** A page, by id, of the failed and rejected jobs that meet every condition given. */
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
