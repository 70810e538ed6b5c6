/** A client's hands on a job's event stream, and a task that goes where a test sends it. */
import { PassThrough } from 'node:stream';
import { TallyError } from '@tally/core';
import { type AnyTask, defineTask } from '@tally/tasks';
import type { Job, Platform } from '@tally/testing';
import { onTestFinished } from 'vitest';
import { z } from 'zod';

export type JobEvent = { id: string; job: Job<{ said: string }> };

export type Feed = {
  status: number;
  headers: Headers;
  /** The next event; undefined where the server has ended the stream. */
  next(): Promise<JobEvent | undefined>;
  /** All that follow, until the server ends the stream. */
  rest(): Promise<JobEvent[]>;
  /** All that has been read, comments included. */
  received(): string;
  hangUp(): void;
};

/** Opens the stream of a job's events; it ends with the test. */
export async function follow(url: string, token: string, jobId: string, lastEventId?: string): Promise<Feed> {
  const gone = newClient();
  const answer = await fetch(`${url}/api/jobs/${jobId}/events`, {
    headers: {
      authorization: `Bearer ${token}`,
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
    signal: gone.signal,
  });
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let received = '';
  let unread = '';
  const next = async (): Promise<JobEvent | undefined> => {
    for (;;) {
      const end = unread.indexOf('\n\n');
      if (end < 0) {
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done) return undefined;
        received += value;
        unread += value;
        continue;
      }
      const block = unread.slice(0, end);
      unread = unread.slice(end + 2);
      const fields = new Map(block.split('\n').map((line) => [line.split(': ', 1)[0], line.replace(/^\w*: /, '')]));
      if (fields.get('event') === 'job')
        return { id: fields.get('id') ?? '', job: JSON.parse(fields.get('data') ?? '') as JobEvent['job'] };
    }
  };
  return {
    status: answer.status,
    headers: answer.headers,
    next,
    rest: async () => {
      const all: JobEvent[] = [];
      for (let event = await next(); event !== undefined; event = await next()) all.push(event);
      return all;
    },
    received: () => received,
    hangUp: () => gone.abort(),
  };
}

// Apart, so that what a client has read is kept no longer than the client.
function newClient(): AbortController {
  const gone = new AbortController();
  onTestFinished(() => gone.abort());
  return gone;
}

type Order = { progress: string } | { ask: string } | { fail: string };
const orders = new Map<string, PassThrough>();
export const guidedPath = '/api/test/guided';

/** A task that shows progress, asks the model and fails as it is told, and completes when there are no more orders. */
export const guided: AnyTask = defineTask({
  name: 'guided',
  path: guidedPath,
  summary: 'Go where the test says',
  input: z.object({ key: z.string() }),
  output: z.object({ said: z.string() }),
  queue: { attempts: 5, timeoutMs: 5_000 },
  outputTokens: { min: 1, max: 10 },
  run: async ({ key }, ctx) => {
    for await (const order of orders.get(key)?.iterator({ destroyOnReturn: false }) ?? []) {
      if ('fail' in order) throw new TallyError('model_unavailable', order.fail);
      if ('ask' in order) await ctx.llm(order.ask, { messages: [{ role: 'user', content: order.ask }] });
      else await ctx.progress(order.progress);
    }
    return { said: `done ${key}` };
  },
});

let jobs = 0;

/** Submits a guided job; what is written to `orders` it obeys in turn, also what was written before it ran. */
export async function submitGuided(
  { call }: Pick<Platform, 'call'>,
  token: string,
): Promise<{ id: string; orders: { write(order: Order): void; end(): void } }> {
  const key = `job ${++jobs}`;
  const written = new PassThrough({ objectMode: true });
  orders.set(key, written);
  // A worker that shuts down waits for its jobs.
  onTestFinished(() => void written.end());
  const { status, body, text } = await call<{ job_id: string }>('POST', guidedPath, { token, body: { key } });
  if (status !== 202) throw new Error(`not accepted: ${status} ${text}`);
  return { id: body.job_id, orders: { write: (order) => void written.write(order), end: () => void written.end() } };
}
