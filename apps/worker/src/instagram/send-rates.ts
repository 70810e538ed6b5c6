/** Meta's rate limits per account (Messaging API): 100 text messages a second, 750 private replies an hour. */
import type { RedisClient } from '@tally/core';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import type { WorkerServices } from '../services.ts';

/** Rate limiters whose counters are in Redis, shared by all workers. */
export function createSendRates(redis: RedisClient, keyPrefix: string): WorkerServices['sendRates'] {
  const limiter = (name: string, points: number, duration: number) =>
    new RateLimiterRedis({ storeClient: redis, keyPrefix: `${keyPrefix}:instagram:${name}`, points, duration });
  return { person: limiter('messages', 100, 1), comment: limiter('private-replies', 750, 3_600) };
}
