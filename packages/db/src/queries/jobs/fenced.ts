/** Writes under a job's fence, which only the worker that owns the job may make. */
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { eq } from '../../drizzle.ts';
import { toArrays } from '../../schema/columns.ts';
import { jobs } from '../../schema/index.ts';

/** A job under the fence of one claim. */
export type OwnedJob = { jobId: string; accountId: string; fence: number };

/**
 * Runs `work` in a transaction that locks the job's row, so that no other worker takes the job over. Undefined, with
 * nothing done, where the job no longer runs under that fence. The job is locked first, as in every statement.
 */
export async function inFence<T>(
  db: Database,
  job: OwnedJob,
  work: (client: Transaction) => Promise<T>,
): Promise<{ value: T } | undefined> {
  return inTransaction(db, async (client) => {
    // A process that stalls here blocks the row for less time than its lease lasts.
    await client.query(`set local idle_in_transaction_session_timeout = '4s'; set local lock_timeout = '4s'`);
    const { rowCount } = await client.query(
      `select from jobs where id = $1 and account_id = $2 and fence = $3 and status = 'running' for update`,
      [job.jobId, job.accountId, job.fence],
    );
    return rowCount === 1 ? { value: await work(client) } : undefined;
  });
}

/** Sets the progress that clients see. */
export async function writeProgress(client: Transaction, jobId: string, progress: string): Promise<void> {
  await client.orm.update(jobs).set({ progress }).where(eq(jobs.id, jobId));
}

export type NewJob = Pick<typeof jobs.$inferSelect, 'id' | 'accountId' | 'task' | 'input'>;

/** Queues jobs without an access check (each call still reserves); existing ids are ignored. */
export async function insertJobs(client: Transaction, newJobs: NewJob[]): Promise<void> {
  await client.query(
    `insert into jobs (id, account_id, task, input)
     select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[]) as u (id, account_id, task, input) order by id
     on conflict (id) do nothing`,
    [...toArrays(newJobs, ['id', 'accountId', 'task']), newJobs.map(({ input }) => JSON.stringify(input))],
  );
}
