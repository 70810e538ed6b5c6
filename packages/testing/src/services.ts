/** Starts Postgres and Redis as child processes for one test run or tool. */
import { createLogger } from '@tally/core';
import { connectDatabase, migrate } from '@tally/db';
import { type Postgres, type Redis, startPostgres, startRedis } from '@tally/embedded';
import { type CloseLater, temporaryFolder } from './clean-up.ts';

export type Services = { folder: string; postgres: Postgres; redis: Redis };

const silent = createLogger('test', 'silent');

/**
 * Starts both in one folder, without migrations. `durable`: Postgres as in production, else faster; `persist`: Redis
 * keeps its data over a restart.
 */
export async function startServices(
  { durable = false, persist = true }: { durable?: boolean; persist?: boolean },
  closeLater: CloseLater,
): Promise<Services> {
  const folder = await temporaryFolder(closeLater);
  const starting = {
    postgres: startPostgres({ dataDir: folder, durable }),
    redis: startRedis({ dataDir: folder, persist }),
  };
  // Also ends a service that is still starting when the run is stopped.
  closeLater(async () => {
    await Promise.allSettled([starting.postgres.then((it) => it.discard()), starting.redis.then((it) => it.kill())]);
  });
  const [postgres, redis] = await Promise.all([starting.postgres, starting.redis]);
  return { folder, postgres, redis };
}

/** Runs all migrations on a database. */
export async function migrateAt(url: string): Promise<void> {
  const db = connectDatabase({ url, name: 'test', log: silent, connections: 1 });
  await migrate(db).finally(db.close);
}

/** The URL of another database on the same server. */
export function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.toString();
}

/** Runs one statement on its own connection. */
export async function runOn(url: string, sql: string): Promise<void> {
  const db = connectDatabase({ url, name: 'test', log: silent, connections: 1 });
  await db.pool.query(sql).finally(db.close);
}
