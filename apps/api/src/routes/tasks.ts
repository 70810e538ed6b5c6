/** One route a task, made from the registry: submit, and wait for the end where the client prefers that. */
import { createRoute, OpenAPIHono, type RouteHandler, z } from '@hono/zod-openapi';
import { submit } from '@tally/queue';
import type { AnyTask } from '@tally/tasks';
import type { Context, MiddlewareHandler } from 'hono';
import { invalidInput, requestHash } from '../http/errors.ts';
import { acceptedJob, answerJob, preferWait } from '../job-answer.ts';
import { limits } from '../limits.ts';
import { refusal, requireTokens } from '../require-tokens.ts';
import { bearer, errorResponses, Job, jsonBody, jsonResponse } from '../schemas.ts';
import type { ApiEnv, ApiServices } from '../services.ts';

function taskRoute(task: AnyTask, middleware: MiddlewareHandler<ApiEnv>[]) {
  return createRoute({
    method: 'post',
    path: task.path,
    tags: ['Tasks'],
    summary: task.summary,
    security: bearer,
    middleware,
    request: {
      ...jsonBody(task.input),
      headers: z.object({
        'idempotency-key': z.string().min(1).max(limits.maxIdempotencyKeyCharacters).optional(),
        prefer: preferWait,
      }),
    },
    responses: {
      200: jsonResponse('With `Prefer: wait`: the job, ended', { job: Job }),
      202: jsonResponse('Accepted: the job will end as completed, failed, rejected or cancelled', acceptedJob),
      ...errorResponses(400, 401, 402, 409, 413),
    },
  });
}

/** Routes for every task; each refuses accounts without tokens, whatever their input. */
export function taskRoutes(services: ApiServices, tasks: readonly AnyTask[]) {
  const app = new OpenAPIHono<ApiEnv>();
  const policy = { allowedHosts: new Set(services.config.extraction.allowedHosts) };
  for (const task of tasks) {
    const limitRate: MiddlewareHandler<ApiEnv> = async (c, next) => {
      await services.rateLimits.submission(c.get('identity').accountId);
      await next();
    };
    const paid = requireTokens(services, { estimatedTokens: 1, task: task.name });
    const route = taskRoute(task, [limitRate]);
    const handle: RouteHandler<typeof route, ApiEnv> = async (c) => {
      const { accountId } = c.get('identity');
      const input = c.req.valid('json');
      const headers = c.req.valid('header');
      const key = headers['idempotency-key'];
      try {
        task.check?.(input as never, policy);
      } catch (error) {
        await paid(c, async () => undefined);
        throw error;
      }
      const outcome = await submit(services.submitter, {
        accountId,
        task,
        input,
        idempotency: key === undefined ? undefined : { key, requestHash: requestHash(task.path, input) },
      });
      if (outcome.outcome === 'refused')
        throw refusal(
          outcome.reason,
          { grantedTokens: outcome.tokensGranted, consumedTokens: outcome.tokensConsumed },
          outcome.neededTokens,
        );
      return answerJob(c, services, { jobId: outcome.jobId, status: 'queued', prefer: headers.prefer });
    };
    // What submit() does for good input, in the same statement: no tokens is said before what is wrong with the input.
    const refuse = async (c: Context<ApiEnv>, error: z.ZodError): Promise<never> => {
      await paid(c, async () => undefined);
      throw invalidInput(error);
    };
    app.openapi(route, handle, (result, c) => (result.success ? undefined : refuse(c, result.error)));
  }
  return app;
}
