/** Jobs as clients and operators see them. */
import { and, desc, eq, lt } from 'drizzle-orm';
import type { Database } from '../connect.ts';
import { type JobStatus, jobs } from '../schema.ts';

/** A job without its input, with what its calls were billed so far. */
export type JobView = {
  id: string;
  task: string;
  status: JobStatus;
  progress: string | null;
  result: unknown;
  error: string | null;
  errorCode: string | null;
  tokensConsumed: number;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
};

/** One account's job, or undefined: another account's job does not exist for it. */
export async function findJob(db: Database, accountId: string, jobId: string): Promise<JobView | undefined> {
  const { rows } = await db.hot.query<JobView>({
    name: 'find_job',
    text: `
      select j.id, j.task, j.status, j.progress, j.result, j.error, j.error_code as "errorCode",
        j.created_at as "createdAt", j.started_at as "startedAt", j.finished_at as "finishedAt",
        (select coalesce(sum(u.billed_tokens), 0)::bigint from ai_usage_log u
          where u.job_id = j.id and u.billed_tokens > 0) as "tokensConsumed"
      from jobs j where j.id = $2 and j.account_id = $1`,
    values: [accountId, jobId],
  });
  return rows[0];
}

export type JobSummary = Omit<JobView, 'result' | 'tokensConsumed' | 'progress'>;

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

/** Of the given jobs, those that have ended. */
export async function findEndedJobs(db: Database, jobIds: string[]): Promise<string[]> {
  const { rows } = await db.hot.query<{ id: string }>({
    name: 'find_ended_jobs',
    text: `select id from jobs where id = any($1::uuid[]) and status not in ('queued', 'running')`,
    values: [jobIds],
  });
  return rows.map((row) => row.id);
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
