/** Worker heartbeats: readiness requires at least one live worker. */
import type { RedisClient } from '@tally/core';

const aliveMs = 10_000;
const keyOf = (keyPrefix: string): string => `${keyPrefix}:workers`;

/** Records that a worker is alive; call it every few seconds. */
export async function beat(redis: RedisClient, keyPrefix: string, workerId: string): Promise<void> {
  const now = Date.now();
  await Promise.all([
    redis.zadd(keyOf(keyPrefix), now, workerId),
    redis.zremrangebyscore(keyOf(keyPrefix), '-inf', now - 10 * aliveMs),
  ]);
}

/** Removes a worker that shuts down. */
export async function stopBeating(redis: RedisClient, keyPrefix: string, workerId: string): Promise<void> {
  await redis.zrem(keyOf(keyPrefix), workerId);
}

/** The number of workers with a heartbeat in the last ten seconds. */
export async function countWorkers(redis: RedisClient, keyPrefix: string): Promise<number> {
  return redis.zcount(keyOf(keyPrefix), Date.now() - aliveMs, '+inf');
}
