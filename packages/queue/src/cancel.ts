/** Cancels jobs: a queued job is removed from its queue, a running one is stopped by its worker. */
import type { Logger, RedisClient } from '@tally/core';
import { type Cancellation, cancelJob, type Database } from '@tally/db';
import { announceChange } from './changes.ts';
import { type Queues, toQueueId } from './queues.ts';

export type Canceller = { db: Database; queues: Queues; redis: RedisClient; keyPrefix: string; log: Logger };

const channelOf = (keyPrefix: string): string => `${keyPrefix}:cancel`;

/**
 * Cancels a job in Postgres; undefined where the account has no such job (an undefined account means any). If Redis is
 * unavailable, a queued entry is dropped by its claim, and a worker sees the cancellation at its next lease renewal.
 */
export async function cancel(
  { db, queues, redis, keyPrefix, log }: Canceller,
  input: { accountId: string | undefined; jobId: string },
): Promise<Cancellation | undefined> {
  const { jobId } = input;
  const cancellation = await cancelJob(db, input);
  if (cancellation === undefined) return undefined;
  const { status, queued } = cancellation;
  const warn = (err: unknown) => log.warn({ err, job_id: jobId }, 'cancelled, and to be told later');
  if (queued !== undefined) {
    log.info({ job_id: jobId, account_id: queued.accountId, task: queued.task, status }, 'job cancelled');
    await queues.byTask.get(queued.task)?.remove(toQueueId(jobId, queued.dispatch)).catch(warn);
    await announceChange(redis, keyPrefix, { jobId, status }).catch(warn);
  }
  if (status === 'running') await redis.publish(channelOf(keyPrefix), jobId).catch(warn);
  return cancellation;
}

/** Calls `onCancel` for every running job to cancel; `redis` is a connection used only for subscriptions. */
export async function listenForCancel(
  redis: RedisClient,
  keyPrefix: string,
  onCancel: (jobId: string) => void,
): Promise<void> {
  redis.on('message', (channel: string, jobId: string) => {
    if (channel === channelOf(keyPrefix)) onCancel(jobId);
  });
  await redis.subscribe(channelOf(keyPrefix));
}
