/** Writes that only the worker that owns the job may make. */
import { eq } from 'drizzle-orm';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { jobs } from '../../schema/index.ts';

/** A job as one claim of it owns it. */
export type OwnedJob = { jobId: string; accountId: string; fence: number };

/**
 * Runs `work` in a transaction that holds the job's row, so that nobody takes the job over in between. Undefined where
 * the job is no longer running under that fence: nothing was done. Locks the job first, as every statement does.
 */
export async function inFence<T>(
  db: Database,
  job: OwnedJob,
  work: (client: Transaction) => Promise<T>,
): Promise<{ value: T } | undefined> {
  return inTransaction(db, async (client) => {
    // A process that is stopped in here holds the job's row: for less than the lease that it holds anyway.
    await client.query(`set local idle_in_transaction_session_timeout = '4s'; set local lock_timeout = '4s'`);
    const { rowCount } = await client.query(
      `select from jobs where id = $1 and account_id = $2 and fence = $3 and status = 'running' for update`,
      [job.jobId, job.accountId, job.fence],
    );
    return rowCount === 1 ? { value: await work(client) } : undefined;
  });
}

/** Shows clients where a running job is. */
export async function writeProgress(client: Transaction, jobId: string, progress: string): Promise<void> {
  await client.orm.update(jobs).set({ progress }).where(eq(jobs.id, jobId));
}

export type NewJob = Pick<typeof jobs.$inferSelect, 'id' | 'accountId' | 'task' | 'input'>;

/** Queues jobs that need no access check of their own (they reserve like any other); those that exist stay as they are. */
export async function insertJobs(client: Transaction, newJobs: NewJob[]): Promise<void> {
  await client.query(
    `insert into jobs (id, account_id, task, input)
     select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[]) as u (id, account_id, task, input) order by id
     on conflict (id) do nothing`,
    [
      newJobs.map((job) => job.id),
      newJobs.map((job) => job.accountId),
      newJobs.map((job) => job.task),
      newJobs.map((job) => JSON.stringify(job.input)),
    ],
  );
}
