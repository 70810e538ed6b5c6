/** Jobs as clients and operators see them. */
import type { Database } from '../../connect.ts';
import { eq } from '../../drizzle.ts';
import { pickColumns, type Selected, selectList } from '../../schema/columns.ts';
import { type JobStatus, jobs } from '../../schema/index.ts';
import { listOwn, type OwnPage } from '../own-rows.ts';

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

/** Everything that changes about a job, with the tokens billed so far, but only whether there is a result. */
export type JobState = JobSummary &
  Pick<typeof jobs.$inferSelect, 'progress'> & { tokensConsumed: number; hasResult: boolean };

/** A job without its input. */
export type JobView = JobState & Pick<typeof jobs.$inferSelect, 'result'>;

// Testing a result for null does not read it: a large one is stored out of line.
const stateColumns = `
  ${selectList(summaryColumns, 'j')}, j.progress,
  j.result is not null as "hasResult",
  (select coalesce(sum(u.billed_tokens), 0)::bigint from ai_usage_log u
    where u.job_id = j.id and u.billed_tokens > 0) as "tokensConsumed"`;

/** One account's job, or undefined. */
export async function findJob(db: Database, accountId: string, jobId: string): Promise<JobView | undefined> {
  const { rows } = await db.hot.query<JobView>({
    name: 'find_job',
    text: `select ${stateColumns}, j.result from jobs j where j.id = $2 and j.account_id = $1`,
    values: [accountId, jobId],
  });
  return rows[0];
}

/** The state of one account's job, or undefined. */
export async function findJobState(db: Database, accountId: string, jobId: string): Promise<JobState | undefined> {
  const { rows } = await db.hot.query<JobState>({
    name: 'find_job_state',
    text: `select ${stateColumns} from jobs j where j.id = $2 and j.account_id = $1`,
    values: [accountId, jobId],
  });
  return rows[0];
}

/** The states of jobs of any account, by id. */
export async function readJobStates(db: Database, jobIds: string[]): Promise<Map<string, JobState>> {
  const { rows } = await db.hot.query<JobState>({
    name: 'read_job_states',
    text: `select ${stateColumns} from jobs j where j.id = any($1::uuid[])`,
    values: [jobIds],
  });
  return new Map(rows.map((row) => [row.id, row]));
}

/** A page of an account's jobs, newest first; of one status where it is given. */
export const listJobs = (
  db: Database,
  { status, ...page }: OwnPage & { status?: JobStatus | undefined },
): Promise<JobSummary[]> =>
  listOwn(db, jobs, summaryColumns, page, status === undefined ? undefined : eq(jobs.status, status));

/** How many jobs of each account are queued, in order; counted up to `max`. */
export async function countQueuedJobs(db: Database, accountIds: string[], max: number): Promise<number[]> {
  const { rows } = await db.hot.query<{ count: number }>({
    name: 'count_queued_jobs',
    text: `
      select (select count(*) from (
          select from jobs j where j.account_id = u.account_id and j.status = 'queued' limit $2) queued) as count
      from unnest($1::uuid[]) with ordinality as u (account_id, position) order by position`,
    values: [accountIds, max],
  });
  return rows.map((row) => row.count);
}

/** The status of any account's job, for operators; undefined where there is no such job. */
export async function findJobStatus(db: Database, jobId: string): Promise<JobStatus | undefined> {
  const rows = await db.orm.select({ status: jobs.status }).from(jobs).where(eq(jobs.id, jobId));
  return rows[0]?.status;
}
