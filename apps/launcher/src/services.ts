/** Starts the embedded Postgres and Redis where none are configured, and restarts them when they exit. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Settings } from '@tally/core';
import { startPostgres, startRedis } from '@tally/embedded';
import { LaunchFault } from './fault.ts';
import { prepareLog } from './output/log-file.ts';
import { say } from './output/terminal.ts';

export type Services = {
  /** The variables with their addresses. Rejects with a LaunchFault. */
  readonly ready: Promise<{ DATABASE_URL?: string; REDIS_URL?: string }>;
  /** Can be called while they start. Postgres writes all data, or with `hurry` recovers at the next start. */
  stop(options: { hurry: boolean }): Promise<void>;
};

/** Starts the services that `settings` do not configure. */
export function startServices({ databaseUrl, redisUrls, dataDir }: Settings): Services {
  let stopping = false;
  const logFileOf = (name: string): string => {
    const path = join(dataDir, 'logs', `${name}.log`);
    prepareLog(path);
    return path;
  };

  async function restartUntilUp(name: string, how: string, restart: () => Promise<void>): Promise<void> {
    for (let fault = how; !stopping; ) {
      say(`${name} ended (${fault}); it starts again on the same port (log: ${join(dataDir, 'logs')})`);
      try {
        await restart();
        return;
      } catch (error) {
        fault = (error as Error).message;
        await sleep(1_000);
      }
    }
  }

  const postgres =
    databaseUrl === undefined
      ? startPostgres({
          dataDir,
          durable: true,
          log: say,
          logFile: logFileOf('postgres'),
          onDeath: (how) => void restartUntilUp('Postgres', how, async () => (await postgres)?.restart()),
        })
      : Promise.resolve(undefined);
  const redis =
    redisUrls === undefined
      ? startRedis({
          dataDir,
          persist: true,
          logFile: logFileOf('redis'),
          onDeath: (how) => void restartUntilUp('Redis', how, async () => (await redis)?.restart()),
        })
      : Promise.resolve(undefined);

  async function settled(): Promise<{ DATABASE_URL?: string; REDIS_URL?: string }> {
    try {
      const [database, queue] = await Promise.all([postgres, redis]);
      return { ...(database && { DATABASE_URL: database.url }), ...(queue && { REDIS_URL: queue.url }) };
    } catch (error) {
      throw new LaunchFault((error as Error).message);
    }
  }
  const ready = settled();
  ready.catch(() => {});

  return {
    ready,
    async stop({ hurry }) {
      stopping = true;
      const [database, queue] = await Promise.allSettled([postgres, redis]);
      await Promise.all([
        database.status === 'fulfilled' && database.value?.stop(hurry ? 'immediate' : 'fast'),
        queue.status === 'fulfilled' && queue.value?.stop(),
      ]);
    },
  };
}
