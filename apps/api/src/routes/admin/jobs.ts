/** Operators' route to requeue a job. */
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { TallyError } from '@tally/core';
import { requeue } from '@tally/queue';
import { acceptedJob, answerAccepted } from '../../jobs/answer.ts';
import { bearer, errorResponses, IdParam, jsonResponse } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

const requeueRoute = createRoute({
  method: 'post',
  path: '/api/admin/jobs/{id}/requeue',
  tags: ['Operators'],
  summary: 'Put a failed or rejected job back on its queue; what it paid for is not paid again',
  security: bearer,
  request: { params: IdParam },
  responses: { 202: jsonResponse('It is queued again', acceptedJob), ...errorResponses(401, 403, 409) },
});

export function adminJobRoutes(services: ApiServices) {
  return new OpenAPIHono<ApiEnv>().openapi(requeueRoute, async (c) => {
    const jobId = c.req.valid('param').id;
    const [dispatch] = await requeue(services, [jobId]);
    if (dispatch === undefined) throw new TallyError('conflict', 'There is no failed or rejected job with this id');
    return answerAccepted(c, jobId, 'queued');
  });
}
