/** Jobs as clients and operators see them. */
import { and, desc, eq } from 'drizzle-orm';
import type { Database } from '../../connect.ts';
import { isBelow, pickColumns, type Selected, selectList } from '../../schema/columns.ts';
import { type JobStatus, jobs } from '../../schema/index.ts';

export const summaryColumns = pickColumns(jobs, [
  'id',
  'task',
  'status',
  'error',
  'errorCode',
  'createdAt',
  'startedAt',
  'finishedAt',
]);
export type JobSummary = Selected<typeof summaryColumns>;

/** All that changes about a job, with what its calls were billed so far; of its result, which may be large, whether it is there. */
export type JobState = JobSummary &
  Pick<typeof jobs.$inferSelect, 'progress'> & { tokensConsumed: number; hasResult: boolean };

/** A job without its input. */
export type JobView = JobState & Pick<typeof jobs.$inferSelect, 'result'>;

// Whether a result is there is told by the row alone; a large one is stored elsewhere and not touched.
const stateColumns = `
  ${selectList(summaryColumns, 'j')}, j.progress,
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
  const isWanted = input.status === undefined ? undefined : eq(jobs.status, input.status);
  return db.orm
    .select(summaryColumns)
    .from(jobs)
    .where(and(eq(jobs.accountId, input.accountId), isBelow(jobs.id, input.beforeId), isWanted))
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
