/** The server-sent events of a job: its state at once and after every change. */
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

// For proxies: no caching, no recompression, no buffering.
const headers = { 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' };

/** The route of a job's events; the only state per client is its entry in the stream registry. */
export function jobEventRoutes(services: ApiServices) {
  return new OpenAPIHono<ApiEnv>().openapi(events, async (c) => {
    const { accountId } = c.get('identity');
    const state = await findJobState(services.db, accountId, c.req.valid('param').id);
    if (state === undefined) throw new TallyError('not_found', 'There is no such job');
    const lastTag = c.req.valid('header')['last-event-id'] ?? '';
    if (isEnded(state.status) && lastTag === tagOf(state)) return c.body(null, 204);
    const signal = services.eventStreams.open({ accountId, bearer: bearerOf(c) ?? '' }, c.env.outgoing);
    const response = streamSSE(c, async (stream) => {
      // A write to a client that doesn't read would never return.
      signal.addEventListener('abort', () => stream.abort());
      await sendChanges(services, stream, { accountId, state, lastTag, signal }).catch((err) =>
        services.log.error({ err, request_id: c.get('requestId') }, 'an event stream failed'),
      );
    });
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    return response;
  });
}

type StreamState = {
  accountId: string;
  state: JobState;
  /** The tag of the latest state that the client has. */
  lastTag: string;
  signal: AbortSignal;
};

/** Sends each new state; resolves once the job has ended or is deleted, or the signal has aborted. */
async function sendChanges(
  services: ApiServices,
  stream: SSEStreamingApi,
  { accountId, state, lastTag, signal }: StreamState,
): Promise<void> {
  const wait = { limitMs: services.eventStreams.limits.heartbeatMs, signal };
  // Makes proxies pass the headers on at once; the jitter spreads the reconnects of clients dropped together.
  await stream.write(`retry: ${Math.floor(1_000 + Math.random() * 1_000)}\n\n`);
  let next: JobState | 'unchanged' | 'gone' = state;
  while (!signal.aborted && next !== 'gone') {
    if (next === 'unchanged') await stream.write(': still there\n\n');
    else if (tagOf(next) !== lastTag) {
      const job = await readWhole(services, accountId, next);
      if (job !== undefined) {
        lastTag = tagOf(job);
        // Waits until the client has read the previous event: a slow reader skips intermediate states.
        await stream.writeSSE({ event: 'job', data: JSON.stringify(toJob(job)), id: lastTag });
        if (isEnded(job.status)) return;
      }
    }
    next = await services.jobChanges.waitForChange(state.id, lastTag, wait);
  }
}

/** The job with its result; undefined while Postgres is unavailable. */
async function readWhole({ db }: ApiServices, accountId: string, state: JobState): Promise<JobView | undefined> {
  if (!state.hasResult) return { ...state, result: null };
  try {
    return await findJob(db, accountId, state.id);
  } catch (error) {
    if (isUnavailable(error) || isSerializationConflict(error)) return undefined;
    throw error;
  }
}
