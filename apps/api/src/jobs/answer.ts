/** Responses about a job: 202 with its URL, or 200 with the ended job where the client waits (`Prefer: wait`). */
import { z } from '@hono/zod-openapi';
import { TallyError } from '@tally/core';
import { findJob, isEnded, type JobStatus } from '@tally/db';
import type { Context } from 'hono';
import { limits } from '../limits.ts';
import { toJob } from '../schemas.ts';
import type { ApiEnv, ApiServices } from '../services.ts';

/** The body of a 202. */
export const acceptedJob = { job_id: z.uuid(), status: z.string(), status_url: z.string() };

/** The `Prefer` header. */
export const preferWait = z
  .string()
  .optional()
  .openapi({
    example: 'wait=10',
    description: `Wait up to N seconds (at most ${limits.maxWaitSeconds}) for the end`,
  });

const jobUrl = (c: Context<ApiEnv>, jobId: string): string => `${c.get('prefix')}/api/jobs/${jobId}`;

/** 202 with the job's URL in `Location` and body; `status` is the current one. */
export function answerAccepted(c: Context<ApiEnv>, jobId: string, status: JobStatus) {
  const statusUrl = jobUrl(c, jobId);
  c.header('Location', statusUrl);
  return c.json({ success: true as const, job_id: jobId, status, status_url: statusUrl }, 202);
}

/** 200 with the job if it ends within the wait of `prefer`, otherwise 202. `status` is the current one. */
export async function answerJob(
  c: Context<ApiEnv>,
  { jobChanges, db }: ApiServices,
  { jobId, status, prefer }: { jobId: string; status: JobStatus; prefer: string | undefined },
) {
  const limitMs = waitMs(prefer);
  if (limitMs === 0 && !isEnded(status)) return answerAccepted(c, jobId, status);
  if (!isEnded(status)) await jobChanges.waitForEnd(jobId, { limitMs, signal: c.req.raw.signal });
  const job = await findJob(db, c.get('identity').accountId, jobId);
  if (job === undefined) throw new TallyError('not_found', 'There is no such job');
  if (!isEnded(job.status)) return answerAccepted(c, jobId, job.status);
  c.header('Location', jobUrl(c, jobId));
  return c.json({ success: true as const, job: toJob(job) }, 200);
}

/** `Prefer: wait=N` in milliseconds (RFC 7240, 4.3); 0 where there is none. */
export function waitMs(prefer: string | undefined): number {
  const seconds = Number(/(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})"?/i.exec(prefer ?? '')?.[1] ?? 0);
  return Math.min(seconds, limits.maxWaitSeconds) * 1_000;
}
