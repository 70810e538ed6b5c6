/** Requeues failed and rejected jobs, for an owner's retry and for operators' buttons and commands. */
import type { Logger } from '@tally/core';
import { type Database, type Dispatch, requeueJobs } from '@tally/db';
import { enqueueSoon } from './enqueue-soon.ts';
import { type Queues, toQueueId } from './queues.ts';

/**
 * Requeues failed and rejected jobs and returns them; others are left unchanged. Nothing is charged twice, because
 * stored steps are replayed. If Redis is unavailable, maintenance enqueues them. `accountId` limits it to that account.
 */
export async function requeue(
  { db, queues, log }: { db: Database; queues: Queues; log: Logger },
  jobIds: string[],
  accountId?: string,
): Promise<Dispatch[]> {
  const dispatches = await requeueJobs(db, jobIds, accountId);
  for (const { jobId, accountId, task } of dispatches)
    log.info({ job_id: jobId, account_id: accountId, task, status: 'queued' }, 'job put back');
  await enqueueSoon(queues, dispatches);
  // Remove the failed BullMQ jobs, so that a requeued job appears only once on the board.
  for (const { jobId, task, dispatch } of dispatches)
    await queues.byTask
      .get(task)
      ?.remove(toQueueId(jobId, dispatch - 1))
      .catch((err) => log.warn({ err, job_id: jobId }, 'a failed copy stays on the board'));
  return dispatches;
}
