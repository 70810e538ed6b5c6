/** Recovers queue entries that Redis lost, from the rows in Postgres. */
import { type Logger, minId } from '@tally/core';
import { type Database, type Dispatch, listAbandonedJobs, listQueuedJobs, nextDispatches } from '@tally/db';
import { enqueue, findUnknown, type Queues } from './queues.ts';

export type Recovery = { db: Database; queues: Queues; log: Logger };

const refillPage = 1_000;
const scanPage = 500;
// A job younger than this may be committed but not yet enqueued.
const enqueueGraceMs = 3_000;

const sentinelKey = (queues: Queues, task: string): string => `${queues.prefix}:${task}:sentinel`;

/**
 * Refills a queue from Postgres if its sentinel key is missing, which means that Redis lost its data. The sentinel is
 * set only after the last row, so that an interrupted refill starts over. Returns the number of rows dispatched.
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

/** Deletes the sentinels, so that the next worker refills every queue from Postgres; existing entries stay. */
export async function forgetQueues(queues: Queues): Promise<void> {
  await Promise.all([...queues.byTask.keys()].map((task) => queues.redis.del(sentinelKey(queues, task))));
}

/**
 * Checks the next page of a task's queued rows and dispatches those missing from Redis. Returns the `afterId` of the
 * next page; after the last page, that of the first.
 */
export async function scanQueuedJobs(recovery: Recovery, task: string, afterId: string): Promise<string> {
  const page = await listQueuedJobs(recovery.db, { task, afterId, limit: scanPage, olderThanMs: enqueueGraceMs });
  const count = await redispatch(recovery, await findUnknown(recovery.queues, page));
  if (count > 0) recovery.log.warn({ task, jobs: count }, 'queued jobs were missing from Redis');
  return page.length < scanPage ? minId : (page.at(-1)?.jobId ?? minId);
}

/** Dispatches running jobs whose worker is gone. Returns their number. */
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
