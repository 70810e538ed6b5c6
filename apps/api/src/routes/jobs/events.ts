/** Following a job: its state now and after every change, as server-sent events. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { TallyError } from '@tally/core';
import {
  findJob,
  findJobState,
  isEnded,
  isSerializationConflict,
  isUnavailable,
  type JobState,
  type JobView,
} from '@tally/db';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import { bearerOf } from '../../auth/require.ts';
import { tagOf } from '../../jobs/tag.ts';
import { bearer, errorResponses, IdParam, toJob } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

const example = `event: job
data: {"id":"019a…","task":"product-extraction","status":"running","progress":"reading",…}
id: 2N8nxj0oJd4Kq1mU5w7YTA`;

const events = createRoute({
  method: 'get',
  path: '/api/jobs/{id}/events',
  tags: ['Jobs'],
  summary: 'Follow one job by server-sent events, until it has ended',
  description:
    'Each event is the job as `GET /api/jobs/{id}` shows it, on one line: at once, after every change of what it shows, and last the ended job. ' +
    'Changes that follow each other faster than they are read arrive as one. A stream lives for ten minutes at most; ' +
    'a client that comes back with `Last-Event-ID` goes on where it was, at any API process.',
  security: bearer,
  request: {
    params: IdParam,
    headers: z.object({ 'last-event-id': z.string().optional().openapi({ description: 'The id of the last event' }) }),
  },
  responses: {
    200: {
      description: 'The stream; comments in between keep it alive',
      content: { 'text/event-stream': { schema: z.string().openapi({ example }) } },
    },
    204: { description: 'The job has ended, and `Last-Event-ID` is that of its last event: do not come back' },
    ...errorResponses(401, 404),
  },
});

// For proxies: neither keep nor recompress what is passed on, nor wait for more of it.
const headers = { 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' };

/** The route of a job's events; it keeps nothing for a client but its place among the streams. */
export function jobEventRoutes(services: ApiServices) {
  return new OpenAPIHono<ApiEnv>().openapi(events, async (c) => {
    const { accountId } = c.get('identity');
    const state = await findJobState(services.db, accountId, c.req.valid('param').id);
    if (state === undefined) throw new TallyError('not_found', 'There is no such job');
    const lastTag = c.req.valid('header')['last-event-id'] ?? '';
    if (isEnded(state.status) && lastTag === tagOf(state)) return c.body(null, 204);
    const signal = services.eventStreams.open({ accountId, bearer: bearerOf(c) ?? '' }, c.env.outgoing);
    const response = streamSSE(c, async (stream) => {
      // Also where the client doesn't read, and a write would never return.
      signal.addEventListener('abort', () => stream.abort());
      await sendChanges(services, stream, { accountId, state, lastTag, signal }).catch((err) =>
        services.log.error({ err, request_id: c.get('requestId') }, 'an event stream failed'),
      );
    });
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    return response;
  });
}

type Following = {
  accountId: string;
  state: JobState;
  /** The tag of the state that the client has. */
  lastTag: string;
  signal: AbortSignal;
};

/** Sends every state that the client does not have, until the last; resolves when there is nothing more to come. */
async function sendChanges(
  services: ApiServices,
  stream: SSEStreamingApi,
  { accountId, state, lastTag, signal }: Following,
): Promise<void> {
  const wait = { limitMs: services.eventStreams.limits.heartbeatMs, signal };
  // Something for proxies and clients to see at once. Those that lose their stream together shall not come back together.
  await stream.write(`retry: ${Math.round(1_000 + Math.random() * 1_000)}\n\n`);
  let next: JobState | 'unchanged' | 'gone' = state;
  while (!signal.aborted && next !== 'gone') {
    if (next === 'unchanged') await stream.write(': still there\n\n');
    else if (tagOf(next) !== lastTag) {
      const job = await readWhole(services, accountId, next);
      if (job !== undefined) {
        lastTag = tagOf(job);
        // Returns when the one before has been taken: a slow reader misses what comes in between, and gets the latest.
        await stream.writeSSE({ event: 'job', data: JSON.stringify(toJob(job)), id: lastTag });
        if (isEnded(job.status)) return;
      }
    }
    next = await services.jobChanges.waitForChange(state.id, lastTag, wait);
  }
}

/** The job with its result; undefined where Postgres can't say now. */
async function readWhole({ db }: ApiServices, accountId: string, state: JobState): Promise<JobView | undefined> {
  if (!state.hasResult) return { ...state, result: null };
  try {
    return await findJob(db, accountId, state.id);
  } catch (error) {
    if (isUnavailable(error) || isSerializationConflict(error)) return undefined;
    throw error;
  }
}
