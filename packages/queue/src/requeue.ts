/** Putting jobs back that ended badly: the one verb behind an owner's retry and every operator's button and command. */
import type { Logger } from '@tally/core';
import { type Database, type Dispatch, requeueJobs } from '@tally/db';
import { enqueueSoon } from './enqueue-soon.ts';
import { type Queues, toQueueId } from './queues.ts';

/**
 * Queues failed and rejected jobs again and returns them; all others are left alone. Nothing is charged twice: what a
 * step paid for is replayed. Where Redis is away maintenance puts them on their queue. With an account only its own.
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
  // The failed copies: what is queued again is to be seen there alone.
  for (const { jobId, task, dispatch } of dispatches)
    await queues.byTask
      .get(task)
      ?.remove(toQueueId(jobId, dispatch - 1))
      .catch((err) => log.warn({ err, job_id: jobId }, 'a failed copy stays on the board'));
  return dispatches;
}
