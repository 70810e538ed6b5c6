/** Publishes job changes for clients that follow a job. Delivery is best-effort; the row is authoritative. */
import type { RedisClient } from '@tally/core';
import { type JobStatus, jobStatuses } from '@tally/db';

const channelOf = (keyPrefix: string): string => `${keyPrefix}:job-changes`;

/** A job's status after a change of any kind, such as a change of its progress. */
export type JobNews = { jobId: string; status: JobStatus };

/** Publishes a committed change to all subscribers. */
export async function announceChange(redis: RedisClient, keyPrefix: string, news: JobNews): Promise<void> {
  await redis.publish(channelOf(keyPrefix), `${news.jobId} ${news.status}`);
}

/** The same without waiting: a client that misses it reads the row within a second. */
export const announce = (
  { redis, keyPrefix }: { redis: RedisClient; keyPrefix: string },
  jobId: string,
  status: JobStatus,
): void => void announceChange(redis, keyPrefix, { jobId, status }).catch(() => undefined);

/** Calls `onNews` for every announcement; `redis` is a connection used only for subscriptions. */
export async function listenForChanges(
  redis: RedisClient,
  keyPrefix: string,
  onNews: (news: JobNews) => void,
): Promise<void> {
  redis.on('message', (_channel: string, message: string) => {
    const [jobId = '', word] = message.split(' ');
    const status = jobStatuses.find((known) => known === word);
    if (status !== undefined) onNews({ jobId, status });
  });
  await redis.subscribe(channelOf(keyPrefix));
}
