/** A client of a job's event stream, and a task whose steps a test scripts. */
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
  /** The next event; undefined once the server has ended the stream. */
  next(): Promise<JobEvent | undefined>;
  /** All remaining events until the server ends the stream. */
  rest(): Promise<JobEvent[]>;
  /** All text read so far, including comments. */
  received(): string;
  disconnect(): void;
};

/** Opens the stream of a job's events; it ends with the test. */
export async function follow(url: string, token: string, jobId: string, lastEventId?: string): Promise<Feed> {
  const controller = newClient();
  const answer = await fetch(`${url}/api/jobs/${jobId}/events`, {
    headers: {
      authorization: `Bearer ${token}`,
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
    signal: controller.signal,
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
    disconnect: () => controller.abort(),
  };
}

// A separate function, so that onTestFinished's closure does not keep what the client has read in memory.
function newClient(): AbortController {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  return controller;
}

type Order = { progress: string } | { ask: string } | { fail: string };
const orders = new Map<string, PassThrough>();
export const guidedPath = '/api/test/guided';

/** A task that reports progress, calls the model and fails as ordered, and completes once its orders end. */
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

/** Submits a guided job, which executes `orders` in turn, also those written before it runs. */
export async function submitGuided(
  { call }: Pick<Platform, 'call'>,
  token: string,
): Promise<{ id: string; orders: { write(order: Order): void; end(): void } }> {
  const key = `job ${++jobs}`;
  const written = new PassThrough({ objectMode: true });
  orders.set(key, written);
  // Lets the job end: a worker that shuts down waits for its jobs.
  onTestFinished(() => void written.end());
  const { status, body, text } = await call<{ job_id: string }>('POST', guidedPath, { token, body: { key } });
  if (status !== 202) throw new Error(`not accepted: ${status} ${text}`);
  return { id: body.job_id, orders: { write: (order) => void written.write(order), end: () => void written.end() } };
}
