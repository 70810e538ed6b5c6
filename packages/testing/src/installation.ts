/** Starts an installation as separate processes, for tests that kill them: Postgres, Redis, sandbox, APIs, workers. */
import { join } from 'node:path';
import { type Billing, createBilling } from '@tally/billing';
import { connectRedis, createLogger, redisReady } from '@tally/core';
import { connectDatabase } from '@tally/db';
import type { Postgres, Redis } from '@tally/embedded';
import { createCleanUp } from './clean-up.ts';
import { type Process, runProcess, startProcess } from './processes.ts';
import { startServices } from './services.ts';
import { instagramSecret, testSettings } from './settings.ts';

export type Installation = {
  postgres: Postgres;
  redis: Redis;
  sandbox: Process;
  billing: Billing;
  env: Record<string, string>;
  /** `env` adds variables for this process. */
  startApi(env?: Record<string, string>): Promise<Process>;
  /** `from` is the root folder of another version of Tally. */
  startWorker(env?: Record<string, string>, from?: string): Promise<Process>;
  /** Runs an operator command; resolves with its exit code and output. */
  ops(...args: string[]): Promise<{ code: number | null; output: string }>;
  stop(): Promise<void>;
};

/** Limit of a model call in an installation; it determines how long a hold lives after a crash. */
const modelTimeoutMs = 4_000;
export const holdLeaseMs = modelTimeoutMs + 5_000;

const silent = createLogger('test', 'silent');

/**
 * Starts migrated, empty services and the sandbox; APIs and workers are started on request. `settings` can override the
 * services' addresses, for example with those of a proxy.
 */
export async function startInstallation(
  settings: (services: { postgres: Postgres; redis: Redis }) => Promise<Record<string, string>> = async () => ({}),
): Promise<Installation> {
  const { closeLater, close } = createCleanUp();
  const { folder, postgres, redis } = await startServices({}, closeLater);
  let count = 0;
  const start = (name: string, env: Record<string, string>, from?: string): Promise<Process> =>
    startProcess(
      {
        name,
        env,
        script: `apps/${name}/src/main.ts`,
        logFile: join(folder, `${name}-${++count}.log`),
        ...(from !== undefined && { from }),
      },
      closeLater,
    );
  const sandbox = await start('sandbox', { SANDBOX_PORT: '0', SANDBOX_INSTAGRAM_APP_SECRET: instagramSecret });
  const env: Record<string, string> = {
    ...testSettings,
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    OPENAI_BASE_URL: `${sandbox.url}/v1`,
    INSTAGRAM_GRAPH_URL: `${sandbox.url}/graph`,
    MODEL_TIMEOUT_MS: String(modelTimeoutMs),
    DATA_DIR: folder,
    LIMIT_SUBMISSIONS_PER_MINUTE: '0',
    LIMIT_READS_PER_MINUTE: '0',
    ...(await settings({ postgres, redis })),
  };
  const ops: Installation['ops'] = (...args) => runProcess('apps/ops/src/main.ts', args, env);
  const migrated = await ops('migrate');
  if (migrated.code !== 0) throw new Error(migrated.output);

  const db = connectDatabase({ url: postgres.url, name: 'test', log: silent });
  const connection = connectRedis([redis.url], 'ledger', () => undefined);
  closeLater(async () => {
    connection.disconnect();
    await db.close();
  });
  await redisReady(connection, 5_000);
  return {
    postgres,
    redis,
    sandbox,
    env,
    billing: createBilling({ db, redis: connection, keyPrefix: 'tally', log: silent }),
    startApi: (own = {}) => start('api', { ...env, ...own }),
    startWorker: (own = {}, from) => start('worker', { ...env, ...own }, from),
    ops,
    stop: close,
  };
}
