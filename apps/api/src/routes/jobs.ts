/** An account's jobs: what became of what it submitted. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { TallyError } from '@tally/core';
import { findJob, jobStatuses, listJobs } from '@tally/db';
import {
  bearer,
  errorResponses,
  IdParam,
  Job,
  JobSummary,
  jsonResponse,
  nextCursor,
  PageQuery,
  toJob,
  toJobSummary,
} from '../schemas.ts';
import type { ApiEnv, ApiServices } from '../services.ts';

const get = createRoute({
  method: 'get',
  path: '/api/jobs/{id}',
  tags: ['Jobs'],
  summary: 'One job, with its result and what it was billed',
  security: bearer,
  request: { params: IdParam },
  responses: { 200: jsonResponse('The job', { job: Job }), ...errorResponses(401, 404) },
});
const list = createRoute({
  method: 'get',
  path: '/api/jobs',
  tags: ['Jobs'],
  summary: 'List jobs, newest first',
  security: bearer,
  request: {
    query: PageQuery.extend({ status: z.enum(jobStatuses).optional() }),
  },
  responses: {
    200: jsonResponse('A page', { jobs: z.array(JobSummary), next_cursor: z.string().nullable() }),
    ...errorResponses(400, 401),
  },
});

export function jobRoutes({ db }: ApiServices) {
  return new OpenAPIHono<ApiEnv>()
    .openapi(get, async (c) => {
      const job = await findJob(db, c.get('identity').accountId, c.req.valid('param').id);
      if (job === undefined) throw new TallyError('not_found', 'There is no such job');
      return c.json({ success: true as const, job: toJob(job) }, 200);
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
