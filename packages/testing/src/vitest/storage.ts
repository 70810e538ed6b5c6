/** Storage for a test: a database cloned from the template and a Redis prefix, or separate servers it may stop. */
import { randomBytes } from 'node:crypto';
import { type Billing, createBilling } from '@tally/billing';
import { type Config, connectRedis, createLogger, type Logger, loadConfig, redisReady } from '@tally/core';
import { connectDatabase } from '@tally/db';
import { type Postgres, type Redis, startPostgres, startRedis } from '@tally/embedded';
import { inject, onTestFinished } from 'vitest';
import { type CloseLater, temporaryFolder as newFolder } from '../clean-up.ts';
import { migrateAt, withDatabase } from '../services.ts';
import { testSettings } from '../settings.ts';
import { templateName } from './global-setup.ts';

export const testLog: Logger = createLogger('test', process.env.TEST_LOG_LEVEL ?? 'silent');

/** Creates an empty, migrated database and returns its URL. It ends with the server at the end of the run. */
export async function newDatabase(): Promise<string> {
  const url = inject('postgresUrl');
  const name = `tally_${randomBytes(6).toString('hex')}`;
  const admin = connectDatabase({ url, name: 'test', log: testLog, connections: 1 });
  // Cloning requires that nothing else uses the template, so concurrent test files take turns.
  await admin.pool.query('select pg_advisory_lock(1)');
  await admin.pool.query(`create database ${name} template ${templateName}`);
  await admin.close();
  return withDatabase(url, name);
}

/** Variables of a new database and Redis prefix. */
export const newStorage = async (): Promise<Record<string, string>> => ({
  DATABASE_URL: await newDatabase(),
  REDIS_URL: inject('redisUrl'),
  REDIS_KEY_PREFIX: `t${randomBytes(6).toString('hex')}`,
});

/** A configuration over new storage. */
export const newConfig = async (env: Record<string, string> = {}): Promise<Config> =>
  loadConfig({ ...testSettings, ...(await newStorage()), ...env });

/** The ledger over real Postgres and Redis; closed at the end of the test or file. */
export async function newBilling(config: Config, closeLater: CloseLater = onTestFinished): Promise<Billing> {
  const db = connectDatabase({ url: config.databaseUrl, name: 'test', log: testLog });
  const redis = connectRedis(config.redisUrls, 'ledger', () => undefined);
  await redisReady(redis, 5_000);
  closeLater(async () => {
    redis.disconnect();
    await db.close();
  });
  return createBilling({ db, redis, keyPrefix: config.redisKeyPrefix, log: testLog });
}

/** A migrated Postgres that a test may stop; ends with the test, or with its file if `closeLater` is `afterAll`. */
export async function ownPostgres(closeLater: CloseLater = onTestFinished): Promise<Postgres> {
  const postgres = await startPostgres({ dataDir: await newFolder(closeLater), durable: false });
  closeLater(() => postgres.discard());
  await migrateAt(postgres.url);
  return postgres;
}

/** A Redis that a test may kill, empty after a restart; ends like {@link ownPostgres}. */
export async function ownRedis(closeLater: CloseLater = onTestFinished): Promise<Redis> {
  const redis = await startRedis({ dataDir: await newFolder(closeLater), persist: false });
  closeLater(() => redis.kill());
  return redis;
}

/** A folder that is removed at the end of the test. */
export const temporaryFolder = (): Promise<string> => newFolder(onTestFinished);
