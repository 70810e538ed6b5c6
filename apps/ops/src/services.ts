/** Connects the services of commands that need more than the database. */
import { type Billing, createBilling } from '@tally/billing';
import { connectRedis, redisReady, type SealKeys, sealKeysOf, warnOfRedis } from '@tally/core';
import { openQueues, type Queues } from '@tally/queue';
import { tasks } from '@tally/tasks';
import { withDatabase } from './database.ts';

export type OpsServices = Billing & { billing: Billing; queues: Queues; production: boolean; sealKeys: SealKeys };

const redisStartMs = 10_000;

/** Connects, runs one verb, and always closes. The verb returns the exit code. */
export async function withServices(verb: (services: OpsServices) => Promise<number>): Promise<void> {
  await withDatabase(async (db, config, log) => {
    const redis = connectRedis(config.redisUrls, 'ledger', warnOfRedis(log));
    const keyPrefix = config.redisKeyPrefix;
    // Opened once Redis is ready, because each queue would report errors of a connection still being opened.
    let queues: Queues | undefined;
    try {
      await redisReady(redis, redisStartMs);
      queues = openQueues({ redis, keyPrefix, taskNames: tasks.map(({ name }) => name), log });
      const billing = createBilling({ db, redis, keyPrefix, log });
      const { production } = config;
      return await verb({ ...billing, billing, queues, production, sealKeys: sealKeysOf(config) });
    } finally {
      await queues?.close();
      redis.disconnect();
    }
  });
}
