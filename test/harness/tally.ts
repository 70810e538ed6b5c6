/** Parts of Tally over a database of their own, inside the test's process. */
import { randomBytes } from 'node:crypto';
import { type Billing, createBilling } from '@tally/billing';
import {
  type Config,
  connectRedis,
  createLogger,
  hashPassword,
  type Logger,
  loadConfig,
  redisReady,
} from '@tally/core';
import { connectDatabase, insertAccount, startPeriod } from '@tally/db';
import { inject, onTestFinished } from 'vitest';
import { templateName, withDatabase } from './services.ts';

export const testLog: Logger = createLogger('test', process.env.TEST_LOG_LEVEL ?? 'silent');

/** Creates an empty, migrated database and returns its URL. It goes with the server at the end of the run. */
export async function newDatabase(): Promise<string> {
  const url = inject('postgresUrl');
  const name = `tally_${randomBytes(6).toString('hex')}`;
  const admin = connectDatabase({ url, name: 'test', log: testLog, connections: 1 });
  // Cloning needs the template to itself: files that start together take turns.
  await admin.pool.query('select pg_advisory_lock(1)');
  await admin.pool.query(`create database ${name} template ${templateName}`);
  await admin.close();
  return withDatabase(url, name);
}

export const metricsToken = 'token-for-metrics-in-tests';

/** A configuration over fresh storage: a database and a Redis prefix of its own. */
export async function newConfig(overrides: Record<string, string> = {}): Promise<Config> {
  return loadConfig({
    NODE_ENV: 'test',
    DATABASE_URL: await newDatabase(),
    REDIS_URL: inject('redisUrl'),
    REDIS_KEY_PREFIX: `t${randomBytes(6).toString('hex')}`,
    OPENAI_API_KEY: 'test',
    JWT_SECRET: 'a secret for tests that is long enough',
    ENCRYPTION_KEY: '00'.repeat(32),
    METRICS_TOKEN: metricsToken,
    PORT: '0',
    DEMO_DATA: 'off',
    ...overrides,
  });
}

/** The ledger over real Postgres and Redis; closed when the test or file ends. */
export async function newBilling(
  config: Config,
  close: (cleanUp: () => Promise<void>) => void = onTestFinished,
): Promise<Billing> {
  const db = connectDatabase({ url: config.databaseUrl, name: 'test', log: testLog });
  const redis = connectRedis(config.redisUrls, 'ledger', () => undefined);
  await redisReady(redis, 5_000);
  close(async () => {
    redis.disconnect();
    await db.close();
  });
  return createBilling({ db, redis, keyPrefix: config.redisKeyPrefix, log: testLog });
}

let accounts = 0;
let passwordHash: Promise<string> | undefined;
export const testPassword = 'correct horse battery';

/** An account with a running subscription of `tokens`; without `tokens` it has none. */
export async function newAccount(
  { db }: Pick<Billing, 'db'>,
  input: { tokens?: number; role?: 'tenant' | 'operator'; email?: string } = {},
): Promise<{ accountId: string; subscriptionId: string; email: string }> {
  passwordHash ??= hashPassword(testPassword);
  const email = input.email ?? `account${++accounts}@example.com`;
  const account = await insertAccount(db, {
    email,
    role: input.role ?? 'tenant',
    passwordHash: await passwordHash,
    isConfirmed: true,
  });
  if (account === undefined) throw new Error(`${email} exists`);
  if (input.tokens === undefined) return { accountId: account.id, subscriptionId: '', email };
  const subscriptionId = await startPeriod(db, {
    accountId: account.id,
    planId: 'starter',
    tokens: input.tokens,
    status: 'active',
    renews: false,
    startsAt: new Date(Date.now() - 1_000),
    endsAt: new Date(Date.now() + 86_400_000),
    grantedBy: null,
  });
  return { accountId: account.id, subscriptionId, email };
}
