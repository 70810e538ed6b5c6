/** Enqueues committed jobs now, or as soon as Redis is available again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isRedisUnavailable } from '@tally/core';
import type { Dispatch } from '@tally/db';
import { enqueue, type Queues } from './queues.ts';

const retryEveryMs = 250;
const retryPage = 500;
// Dispatches beyond this, or left when the process exits, are found by maintenance some seconds later.
const maxMissed = 20_000;

/** Enqueues dispatches. Never throws: the row in Postgres is authoritative, and its queue entry can follow later. */
export async function enqueueSoon(queues: Queues, dispatches: Dispatch[]): Promise<void> {
  try {
    await enqueue(queues, dispatches);
  } catch (err) {
    const { missed, log } = queues;
    log.warn({ err, jobs: dispatches.length }, 'jobs wait in Postgres until their queue is back');
    if (!isRedisUnavailable(err)) return;
    const isRetrying = missed.length > 0;
    missed.push(...dispatches.slice(0, maxMissed - missed.length));
    if (!isRetrying) void retryMissed(queues);
  }
}

async function retryMissed(queues: Queues): Promise<void> {
  const { missed } = queues;
  while (missed.length > 0) {
    await sleep(retryEveryMs, undefined, { ref: false });
    const page = missed.slice(0, retryPage);
    // If maintenance has dispatched a job in the meantime, this entry is stale and its claim drops it.
    const isDone = await enqueue(queues, page).then(
      () => true,
      (err) => !isRedisUnavailable(err),
    );
    if (isDone) missed.splice(0, page.length);
  }
}
