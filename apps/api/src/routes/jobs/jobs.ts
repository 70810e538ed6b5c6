/** Routes on an account's jobs: read, list, cancel, retry. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { TallyError } from '@tally/core';
import { findJob, findJobState, isEnded, type JobState, type JobStatus, jobStatuses, listJobs } from '@tally/db';
import { cancel, requeue } from '@tally/queue';
import type { Context } from 'hono';
import { requireAccess } from '../../http/require-tokens.ts';
import { acceptedJob, answerJob, preferWait } from '../../jobs/answer.ts';
import { matchesTag, tagOf, toEtag } from '../../jobs/tag.ts';
import { bearer, errorResponses, IdParam, Job, JobSummary, jsonResponse, toJob, toJobSummary } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';
import { listRoute, nextCursor, orNotFound } from '../resources.ts';

const base = { tags: ['Jobs'], security: bearer };
const get = createRoute({
  ...base,
  method: 'get',
  path: '/api/jobs/{id}',
  summary: 'One job, with its result and what it was billed',
  request: {
    params: IdParam,
    headers: z.object({
      'if-none-match': z.string().optional().openapi({ description: 'The `ETag` of the answer that is at hand' }),
    }),
  },
  responses: {
    200: jsonResponse('The job', { job: Job }),
    304: { description: 'Nothing has changed since the answer with that `ETag`' },
    ...errorResponses(401, 404),
  },
});
const list = listRoute({
  ...base,
  path: '/api/jobs',
  summary: 'List jobs, newest first',
  name: 'jobs',
  item: JobSummary,
  query: { status: z.enum(jobStatuses).optional() },
});

const remove = createRoute({
  ...base,
  method: 'delete',
  path: '/api/jobs/{id}',
  summary: 'Cancel a job; what a running model call has read by then is billed',
  request: { params: IdParam, headers: z.object({ prefer: preferWait }) },
  responses: {
    200: jsonResponse('The job: cancelled, or with `Prefer: wait` ended however it did', { job: Job }),
    202: jsonResponse('It is running, and will be stopped', acceptedJob),
    ...errorResponses(401, 404, 409),
  },
});

const retry = createRoute({
  ...base,
  method: 'post',
  path: '/api/jobs/{id}/retry',
  summary: 'Go on with a failed or rejected job; what it has paid for is not paid again',
  request: { params: IdParam, headers: z.object({ prefer: preferWait }) },
  responses: {
    200: jsonResponse('With `Prefer: wait`: the job, ended', { job: Job }),
    202: jsonResponse('It is queued again', acceptedJob),
    ...errorResponses(401, 402, 404, 409),
  },
});

export function jobRoutes(services: ApiServices) {
  const { db } = services;
  const canceller = { ...services, keyPrefix: services.config.redisKeyPrefix };
  return new OpenAPIHono<ApiEnv>()
    .openapi(get, async (c) => {
      const { accountId } = c.get('identity');
      const { id } = c.req.valid('param');
      const known = c.req.valid('header')['if-none-match'];
      if (known !== undefined) {
        const state = await findJobState(db, accountId, id);
        if (state !== undefined && matchesTag(tagOf(state), known)) {
          setCacheHeaders(c, state);
          return c.body(null, 304);
        }
      }
      const job = orNotFound('job', await findJob(db, accountId, id));
      setCacheHeaders(c, job);
      return c.json({ success: true as const, job: toJob(job) }, 200);
    })
    .openapi(remove, async (c) => {
      const jobId = c.req.valid('param').id;
      const cancellation = await cancel(canceller, { accountId: c.get('identity').accountId, jobId });
      const { status } = orNotFound('job', cancellation);
      if (status !== 'cancelled' && status !== 'running')
        throw new TallyError('conflict', `The job has ended already: it is ${status}`);
      return answerJob(c, services, { jobId, status, prefer: c.req.valid('header').prefer });
    })
    .openapi(retry, async (c) => {
      const { accountId } = c.get('identity');
      const jobId = c.req.valid('param').id;
      await services.rateLimits.submission(accountId);
      const state = orNotFound('job', await findJobState(db, accountId, jobId));
      await requireAccess(services, accountId, { estimatedTokens: 1, task: state.task });
      const [dispatch] = await services.submitter.backlogs.submit(accountId, () =>
        requeue(services, [jobId], accountId),
      );
      if (dispatch === undefined) throw new TallyError('conflict', retryRefusal(state.status));
      return answerJob(c, services, { jobId, status: 'queued', prefer: c.req.valid('header').prefer });
    })
    .openapi(list, async (c) => {
      const { limit, cursor, status } = c.req.valid('query');
      const rows = await listJobs(db, { accountId: c.get('identity').accountId, limit, beforeId: cursor, status });
      return c.json(
        { success: true as const, jobs: rows.map(toJobSummary), next_cursor: nextCursor(rows, limit) },
        200,
      );
    });
}

function retryRefusal(status: JobStatus): string {
  if (status === 'failed' || status === 'rejected') return 'The input of this job has expired: submit it anew';
  return `Only a failed or rejected job can be retried: this one is ${status}`;
}

/** Caching headers: private, always revalidated by `ETag`; `Retry-After` until the job has ended. */
function setCacheHeaders(c: Context<ApiEnv>, state: JobState): void {
  c.header('ETag', toEtag(tagOf(state)));
  c.header('Cache-Control', 'private, no-cache');
  if (!isEnded(state.status)) c.header('Retry-After', '1');
}
