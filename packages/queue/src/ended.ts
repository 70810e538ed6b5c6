/** The news that a job has ended, for clients that wait for it. News may be lost; the row is the record. */
import type { RedisClient } from '@tally/core';

const channelOf = (keyPrefix: string): string => `${keyPrefix}:ended`;

/** Tells whoever listens that a job has ended. */
export async function announceEnded(redis: RedisClient, keyPrefix: string, jobId: string): Promise<void> {
  await redis.publish(channelOf(keyPrefix), jobId);
}

/** Calls `onEnded` for every announcement; `redis` is a connection for subscriptions alone. */
export async function listenForEnded(
  redis: RedisClient,
  keyPrefix: string,
  onEnded: (jobId: string) => void,
): Promise<void> {
  redis.on('message', (_channel: string, jobId: string) => onEnded(jobId));
  await redis.subscribe(channelOf(keyPrefix));
}
