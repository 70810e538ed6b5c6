/** The news that a job has changed, for clients that follow it. News may be lost; the row is the record. */
import type { RedisClient } from '@tally/core';
import { type JobStatus, jobStatuses } from '@tally/db';

const channelOf = (keyPrefix: string): string => `${keyPrefix}:job-changes`;

/** A job's status after a change, which may be of something else, such as its progress. */
export type JobNews = { jobId: string; status: JobStatus };

/** Tells whoever listens that a job has changed. To be called once the change is committed. */
export async function announceChange(redis: RedisClient, keyPrefix: string, news: JobNews): Promise<void> {
  await redis.publish(channelOf(keyPrefix), `${news.jobId} ${news.status}`);
}

/** Calls `onNews` for every announcement; `redis` is a connection for subscriptions alone. */
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
