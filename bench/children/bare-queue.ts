/** The baseline's queue: plain BullMQ with the same options. */
import { connectRedis, createLogger, redisReady } from '@tally/core';
import { openQueues, queueOf } from '@tally/queue';

export const bareQueueName = 'bare';

/** Opens the queue for a producer. */
export async function openBareQueue(config: { redisUrls: string[]; redisKeyPrefix: string }) {
  const log = createLogger('bare', 'silent');
  const redis = connectRedis(config.redisUrls, 'producer', () => undefined);
  await redisReady(redis, 10_000);
  const queues = openQueues({ redis, keyPrefix: config.redisKeyPrefix, taskNames: [bareQueueName], log });
  return {
    queue: queueOf(queues, bareQueueName),
    close: async () => {
      await queues.close();
      redis.disconnect();
    },
  };
}
