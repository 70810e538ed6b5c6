/** A whole installation of real processes, for tests that kill them: Postgres, Redis, sandbox, APIs and workers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Billing, createBilling } from '@tally/billing';
import { connectRedis, createLogger, redisReady } from '@tally/core';
import { connectDatabase } from '@tally/db';
import { type Postgres, type Redis, startPostgres, startRedis } from '@tally/embedded';

const metricsToken = 'token-for-metrics-in-tests';

/** What an API counts. */
export async function readMetrics(apiUrl: string): Promise<string> {
  const headers = { authorization: `Bearer ${metricsToken}` };
  return (await fetch(`${apiUrl}/metrics`, { headers })).text();
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const silent = createLogger('test', 'silent');

export type Process = {
  pid: number;
  url: string;
  /** SIGKILL, and gone when it resolves. */
  kill(): Promise<void>;
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void;
  exited: Promise<number | null>;
  /** Its log so far. */
  log(): Promise<string>;
};

export type Installation = {
  postgres: Postgres;
  redis: Redis;
  sandbox: Process;
  billing: Billing;
  env: Record<string, string>;
  /** `env` is what this process is told besides. */
  startApi(env?: Record<string, string>): Promise<Process>;
  /** `from` is the folder of another version of Tally. */
  startWorker(env?: Record<string, string>, from?: string): Promise<Process>;
  /** Runs one of the operator's commands; resolves with its exit code and output. */
  ops(...args: string[]): Promise<{ code: number | null; output: string }>;
  stop(): Promise<void>;
};

/** How long a model call may take in these tests, and with it how long a hold lives after a crash. */
export const modelTimeoutMs = 4_000;
export const holdLeaseMs = modelTimeoutMs + 5_000;
const appSecret = 'test-instagram-app-secret';

/**
 * Starts services and the sandbox, migrated and empty; APIs and workers come when asked for. `settings` may name other
 * addresses for them than the services' own, as of a proxy in between.
 */
export async function startInstallation(
  settings: (services: { postgres: Postgres; redis: Redis }) => Promise<Record<string, string>> = async () => ({}),
): Promise<Installation> {
  const folder = await mkdtemp(join(tmpdir(), 'tally-system-'));
  // As root Postgres runs as another user, who has to reach it.
  await chmod(folder, 0o755);
  const children = new Set<ChildProcess>();
  let count = 0;

  async function start(name: string, path: string, env: Record<string, string>, from = root): Promise<Process> {
    const logFile = join(folder, `${name}-${++count}.log`);
    const child = spawn(process.execPath, [path], {
      cwd: from,
      argv0: 'node',
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    children.add(child);
    const log = createWriteStream(logFile);
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    void exited.then(() => children.delete(child));
    const ready = await Promise.race([
      new Promise<{ url?: string }>((resolve) =>
        child.once('message', (message) => resolve(message as { url?: string })),
      ),
      exited.then(async (code) => {
        throw new Error(`${name} ended with code ${code}: ${await readFile(logFile, 'utf8')}`);
      }),
    ]);
    return {
      pid: child.pid ?? 0,
      url: ready.url ?? '',
      exited,
      signal: (signal) => void child.kill(signal),
      kill: async () => {
        child.kill('SIGKILL');
        await exited;
      },
      log: () => readFile(logFile, 'utf8'),
    };
  }

  const [postgres, redis, sandbox] = await Promise.all([
    startPostgres({ dataDir: folder, durable: false }),
    startRedis({ dataDir: folder, persist: true }),
    start('sandbox', 'apps/sandbox/src/main.ts', { SANDBOX_PORT: '0', SANDBOX_INSTAGRAM_APP_SECRET: appSecret }),
  ]);
  const env = {
    NODE_ENV: 'test',
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    OPENAI_BASE_URL: `${sandbox.url}/v1`,
    INSTAGRAM_GRAPH_URL: `${sandbox.url}/graph`,
    INSTAGRAM_APP_SECRET: appSecret,
    MODEL_TIMEOUT_MS: String(modelTimeoutMs),
    JWT_SECRET: 'a secret for tests that is long enough',
    ENCRYPTION_KEY: '00'.repeat(32),
    METRICS_TOKEN: metricsToken,
    DATA_DIR: folder,
    LIMIT_SUBMISSIONS_PER_MINUTE: '0',
    LIMIT_READS_PER_MINUTE: '0',
    PORT: '0',
    ...(await settings({ postgres, redis })),
  };

  async function ops(...args: string[]): Promise<{ code: number | null; output: string }> {
    const child = spawn(process.execPath, ['apps/ops/src/main.ts', ...args], {
      cwd: root,
      env: { PATH: process.env.PATH, ...env },
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    child.stderr.on('data', (chunk) => (output += String(chunk)));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, output };
  }

  const migrated = await ops('migrate');
  if (migrated.code !== 0) throw new Error(migrated.output);
  const db = connectDatabase({ url: postgres.url, name: 'test', log: silent });
  const connection = connectRedis([redis.url], 'ledger', () => undefined);
  await redisReady(connection, 5_000);
  return {
    postgres,
    redis,
    sandbox,
    env,
    billing: createBilling({ db, redis: connection, keyPrefix: 'tally', log: silent }),
    startApi: (own = {}) => start('api', 'apps/api/src/main.ts', { ...env, ...own }),
    startWorker: (own = {}, from = root) => start('worker', 'apps/worker/src/main.ts', { ...env, ...own }, from),
    ops,
    stop: async () => {
      for (const child of children) child.kill('SIGKILL');
      connection.disconnect();
      await db.close();
      await Promise.all([postgres.discard(), redis.kill()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
