/** One submission route per task of the registry, with optional wait for the end. */
import { createRoute, OpenAPIHono, type RouteHandler, z } from '@hono/zod-openapi';
import { TallyError } from '@tally/core';
import { findJobState, type JobStatus } from '@tally/db';
import { submit } from '@tally/queue';
import type { AnyTask } from '@tally/tasks';
import type { MiddlewareHandler } from 'hono';
import { invalidInput, requestHash } from '../../http/errors.ts';
import { knownNamesOnly } from '../../http/known-names.ts';
import { refusal, requireTokens } from '../../http/require-tokens.ts';
import { acceptedJob, answerAccepted, answerJob, preferWait, waitMs } from '../../jobs/answer.ts';
import { limits } from '../../limits.ts';
import { bearer, errorResponses, Job, jsonBody, jsonResponse } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

function taskRoute(task: AnyTask, before: MiddlewareHandler<ApiEnv>[]) {
  const request = {
    ...jsonBody(task.input),
    headers: z.object({
      'idempotency-key': z.string().min(1).max(limits.maxIdempotencyKeyCharacters).optional(),
      prefer: preferWait,
    }),
  };
  return createRoute({
    method: 'post',
    path: task.path,
    tags: ['Tasks'],
    summary: task.summary,
    security: bearer,
    middleware: [...before, knownNamesOnly(request)],
    request,
    responses: {
      200: jsonResponse('With `Prefer: wait`: the job, ended', { job: Job }),
      202: jsonResponse('Accepted: the job will end as completed, failed, rejected or cancelled', acceptedJob),
      ...errorResponses(400, 401, 402, 409, 413),
    },
  });
}

/** Routes for every task; an account without tokens gets 402 whatever its input. */
export function taskRoutes(services: ApiServices, tasks: readonly AnyTask[]) {
  const app = new OpenAPIHono<ApiEnv>();
  const policy = { allowedHosts: new Set(services.config.extraction.allowedHosts) };
  const limitRate: MiddlewareHandler<ApiEnv> = async (c, next) => {
    await services.rateLimits.submission(c.get('identity').accountId);
    await next();
  };
  for (const task of tasks) {
    const route = taskRoute(task, [limitRate, prefer402Over400(services, task)]);
    const handle: RouteHandler<typeof route, ApiEnv> = async (c) => {
      const { accountId } = c.get('identity');
      const input = c.req.valid('json');
      const headers = c.req.valid('header');
      const key = headers['idempotency-key'];
      task.check?.(input as never, policy);
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
      const { jobId, isReplay } = outcome;
      const status = isReplay ? await currentStatus(services, accountId, jobId) : 'queued';
      return waitMs(headers.prefer) === 0
        ? answerAccepted(c, jobId, status)
        : answerJob(c, services, { jobId, status, prefer: headers.prefer });
    };
    app.openapi(route, handle, (result) => {
      if (!result.success) throw invalidInput(result.error);
    });
  }
  return app;
}

/** Turns a 400 into 402 where the account has no tokens; for valid input, submit() checks that in its statement. */
function prefer402Over400(services: ApiServices, { name }: AnyTask): MiddlewareHandler<ApiEnv> {
  const paid = requireTokens(services, { estimatedTokens: 1, task: name });
  return async (c, next) => {
    await next();
    if (c.error instanceof TallyError && c.error.status === 400) await paid(c, async () => undefined);
  };
}

/** The current status of a replayed submission's job. */
async function currentStatus({ db }: ApiServices, accountId: string, jobId: string): Promise<JobStatus> {
  const state = await findJobState(db, accountId, jobId);
  if (state === undefined) throw new TallyError('not_found', 'There is no such job');
  return state.status;
}
