/** One Postgres and one Redis for the whole test run, with a migrated template that test files clone. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@tally/core';
import { connectDatabase, migrate } from '@tally/db';
import { startPostgres, startRedis } from '@tally/embedded';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    postgresUrl: string;
    redisUrl: string;
  }
}

export const templateName = 'tally_template';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'tally-test-'));
  // As root Postgres runs as another user, who has to reach it.
  await chmod(folder, 0o755);
  const [postgres, redis] = await Promise.all([
    startPostgres({ dataDir: join(folder, 'postgres'), durable: false }),
    startRedis({ dataDir: join(folder, 'redis'), persist: false }),
  ]);
  const log = createLogger('test', 'silent');
  const admin = connectDatabase({ url: postgres.url, name: 'test', log, connections: 1 });
  await admin.pool.query(`create database ${templateName}`);
  await admin.close();
  const template = connectDatabase({
    url: withDatabase(postgres.url, templateName),
    name: 'test',
    log,
    connections: 1,
  });
  await migrate(template);
  await template.close();
  project.provide('postgresUrl', postgres.url);
  project.provide('redisUrl', redis.url);
  return async () => {
    await Promise.all([postgres.discard(), redis.kill()]);
    await rm(folder, { recursive: true, force: true });
  };
}

/** The URL of another database on the same server. */
export function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.toString();
}
