/** Jobs as clients and operators see them. */
import { and, desc, eq, lt } from 'drizzle-orm';
import type { Database } from '../../connect.ts';
import { type JobStatus, jobs } from '../../schema.ts';

export type JobSummary = {
  id: string;
  task: string;
  status: JobStatus;
  error: string | null;
  errorCode: string | null;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
};

/** All that changes about a job, with what its calls were billed so far; of its result, which may be large, whether it is there. */
export type JobState = JobSummary & { progress: string | null; tokensConsumed: number; hasResult: boolean };

/** A job without its input. */
export type JobView = JobState & { result: unknown };

// Whether a result is there is told by the row alone; a large one is stored elsewhere and not touched.
const stateColumns = `
  j.id, j.task, j.status, j.progress, j.error, j.error_code as "errorCode",
  j.created_at as "createdAt", j.started_at as "startedAt", j.finished_at as "finishedAt",
  j.result is not null as "hasResult",
  (select coalesce(sum(u.billed_tokens), 0)::bigint from ai_usage_log u
    where u.job_id = j.id and u.billed_tokens > 0) as "tokensConsumed"`;

/** One account's job, or undefined: another account's job does not exist for it. */
export async function findJob(db: Database, accountId: string, jobId: string): Promise<JobView | undefined> {
  const { rows } = await db.hot.query<JobView>({
    name: 'find_job',
    text: `select ${stateColumns}, j.result from jobs j where j.id = $2 and j.account_id = $1`,
    values: [accountId, jobId],
  });
  return rows[0];
}

/** The state of one account's job, or undefined, as {@link findJob}; a result is not read. */
export async function findJobState(db: Database, accountId: string, jobId: string): Promise<JobState | undefined> {
  const { rows } = await db.hot.query<JobState>({
    name: 'find_job_state',
    text: `select ${stateColumns} from jobs j where j.id = $2 and j.account_id = $1`,
    values: [accountId, jobId],
  });
  return rows[0];
}

/** The states of the given jobs, whosever they are, by id; results are not read. */
export async function readJobStates(db: Database, jobIds: string[]): Promise<Map<string, JobState>> {
  const { rows } = await db.hot.query<JobState>({
    name: 'read_job_states',
    text: `select ${stateColumns} from jobs j where j.id = any($1::uuid[])`,
    values: [jobIds],
  });
  return new Map(rows.map((row) => [row.id, row]));
}

/** One account's jobs, newest first, `limit` of them from below `beforeId`. */
export async function listJobs(
  db: Database,
  input: { accountId: string; limit: number; beforeId?: string | undefined; status?: JobStatus | undefined },
): Promise<JobSummary[]> {
  return db.orm
    .select({
      id: jobs.id,
      task: jobs.task,
      status: jobs.status,
      error: jobs.error,
      errorCode: jobs.errorCode,
      createdAt: jobs.createdAt,
      startedAt: jobs.startedAt,
      finishedAt: jobs.finishedAt,
    })
    .from(jobs)
    .where(
      and(
        eq(jobs.accountId, input.accountId),
        input.beforeId === undefined ? undefined : lt(jobs.id, input.beforeId),
        input.status === undefined ? undefined : eq(jobs.status, input.status),
      ),
    )
    .orderBy(desc(jobs.id))
    .limit(input.limit);
}

/** How many jobs of each account are queued, in order; `most` stands for any larger number. */
export async function countQueuedJobs(db: Database, accountIds: string[], most: number): Promise<number[]> {
  const { rows } = await db.hot.query<{ count: number }>({
    name: 'count_queued_jobs',
    text: `
      select (select count(*) from (
          select from jobs j where j.account_id = u.account_id and j.status = 'queued' limit $2) queued) as count
      from unnest($1::uuid[]) with ordinality as u (account_id, position) order by position`,
    values: [accountIds, most],
  });
  return rows.map((row) => row.count);
}

/** A job's status, whoever's it is: for operators. */
export async function findJobStatus(db: Database, jobId: string): Promise<JobStatus | undefined> {
  const rows = await db.orm.select({ status: jobs.status }).from(jobs).where(eq(jobs.id, jobId));
  return rows[0]?.status;
}
