/** Which workers are alive, so that readiness means that somebody takes jobs. */
import type { RedisClient } from '@tally/core';

const aliveMs = 10_000;
const keyOf = (keyPrefix: string): string => `${keyPrefix}:workers`;

/** Says that a worker is alive; to be repeated every few seconds. */
export async function beat(redis: RedisClient, keyPrefix: string, workerId: string): Promise<void> {
  const now = Date.now();
  await Promise.all([
    redis.zadd(keyOf(keyPrefix), now, workerId),
    redis.zremrangebyscore(keyOf(keyPrefix), '-inf', now - 10 * aliveMs),
  ]);
}

/** Takes a worker that shuts down off the list. */
export async function stopBeating(redis: RedisClient, keyPrefix: string, workerId: string): Promise<void> {
  await redis.zrem(keyOf(keyPrefix), workerId);
}

/** How many workers gave a sign of life in the last ten seconds. */
export async function countWorkers(redis: RedisClient, keyPrefix: string): Promise<number> {
  return redis.zcount(keyOf(keyPrefix), Date.now() - aliveMs, '+inf');
}
