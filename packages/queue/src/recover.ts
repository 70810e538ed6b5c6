/** Bringing back what Redis has lost: the rows in Postgres say what should be queued. */
import { type Logger, minId } from '@tally/core';
import { type Database, type Dispatch, listAbandonedJobs, listQueuedJobs, nextDispatches } from '@tally/db';
import { enqueue, findUnknown, type Queues } from './queues.ts';

export type Recovery = { db: Database; queues: Queues; log: Logger };

const refillPage = 1_000;
const scanPage = 500;
// A job younger than this may still be on its way from its commit to its queue.
const enqueueGraceMs = 3_000;

const sentinelKey = (queues: Queues, task: string): string => `${queues.prefix}:${task}:sentinel`;

/**
 * Refills a queue from Postgres where its sentinel key is gone: Redis lost everything. The sentinel is set again only
 * after the last row, so that a refill which dies halfway is begun anew. Returns how many rows were dispatched.
 */
export async function refillLostQueue(recovery: Recovery, task: string): Promise<number> {
  const sentinel = sentinelKey(recovery.queues, task);
  if ((await recovery.queues.redis.exists(sentinel)) === 1) return 0;
  let count = 0;
  let afterId = minId;
  for (;;) {
    const page = await listQueuedJobs(recovery.db, { task, afterId, limit: refillPage, olderThanMs: 0 });
    count += await redispatch(recovery, await findUnknown(recovery.queues, page));
    const last = page.at(-1);
    if (page.length < refillPage || last === undefined) break;
    afterId = last.jobId;
  }
  await recovery.queues.redis.set(sentinel, '1');
  if (count > 0) recovery.log.warn({ task, jobs: count }, 'queue refilled from Postgres');
  return count;
}

/** Makes every queue be refilled from Postgres by the next worker that looks; jobs that are there stay. */
export async function forgetQueues(queues: Queues): Promise<void> {
  await Promise.all([...queues.byTask.keys()].map((task) => queues.redis.del(sentinelKey(queues, task))));
}

/**
 * Looks at the next page of a task's queued rows and dispatches those that Redis does not know. Returns where the next
 * page begins; after the last one, at the beginning.
 */
export async function scanQueuedJobs(recovery: Recovery, task: string, afterId: string): Promise<string> {
  const page = await listQueuedJobs(recovery.db, { task, afterId, limit: scanPage, olderThanMs: enqueueGraceMs });
  const count = await redispatch(recovery, await findUnknown(recovery.queues, page));
  if (count > 0) recovery.log.warn({ task, jobs: count }, 'queued jobs were missing from Redis');
  return page.length < scanPage ? minId : (page.at(-1)?.jobId ?? minId);
}

/** Dispatches running rows whose worker is gone. Returns how many. */
export async function recoverAbandonedJobs(recovery: Recovery): Promise<number> {
  const jobIds = await listAbandonedJobs(recovery.db, refillPage);
  if (jobIds.length === 0) return 0;
  const dispatches = await nextDispatches(recovery.db, jobIds);
  await enqueue(recovery.queues, dispatches);
  for (const { jobId, task } of dispatches)
    recovery.log.warn({ job_id: jobId, task }, 'the worker of this job is gone: dispatched again');
  return dispatches.length;
}

async function redispatch(recovery: Recovery, lost: Dispatch[]): Promise<number> {
  if (lost.length === 0) return 0;
  const dispatches = await nextDispatches(
    recovery.db,
    lost.map((dispatch) => dispatch.jobId),
  );
  await enqueue(recovery.queues, dispatches);
  return dispatches.length;
}
