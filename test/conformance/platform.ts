/** The platform under test: API and workers in this process, over a Postgres, a Redis and a sandbox of its own. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Config, createLogger, hashPassword, loadConfig } from '@tally/core';
import { connectDatabase, type Database, insertAccount, migrate, startPeriod } from '@tally/db';
import { type Postgres, type Redis, startPostgres, startRedis } from '@tally/embedded';
import { type RunningApi, startApi } from '../../apps/api/src/start.ts';
import { createSandbox, type Sandbox } from '../../apps/sandbox/src/server.ts';
import type { Network } from '../../apps/worker/src/pages/proxy/dial.ts';
import { startWorker } from '../../apps/worker/src/start.ts';

export type Answer = { status: number; headers: Headers; text: string; body: Record<string, unknown> };
export type Job = {
  id: string;
  status: string;
  error_code: string | null;
  tokens_consumed: number;
  result: Record<string, unknown> | null;
};
export type Tenant = { accountId: string; token: string };

export type Platform = {
  sandbox: Sandbox;
  postgres: Postgres;
  redis: Redis;
  db: Database;
  api: RunningApi;
  /** One more API with other settings; ended with the platform. @throws where it refuses them */
  startApi(env: Record<string, string>): Promise<string>;
  startWorker(options?: { env?: Record<string, string>; network?: Partial<Network> }): Promise<void>;
  /** A worker in a process of its own, which can be killed by SIGKILL. */
  startWorkerProcess(): Promise<{ kill(): Promise<void> }>;
  stopWorkers(): Promise<void>;
  newTenant(email: string): Promise<Tenant>;
  call(method: string, path: string, options?: { token?: string; body?: unknown }): Promise<Answer>;
  /** Submits, and waits for the end. A refused submission is a job that failed with its code. */
  run(tenant: Tenant, path: string, input: object, limitMs?: number): Promise<Job>;
  close(): Promise<void>;
};

const log = createLogger('conformance', process.env.LOG_LEVEL ?? 'silent');
const tokensEach = 1_000_000_000;
const workerMain = new URL('../../apps/worker/src/main.ts', import.meta.url);

/** Starts everything but workers. */
export async function startPlatform(env: Record<string, string>): Promise<Platform> {
  const folder = await mkdtemp(join(tmpdir(), 'tally-conformance-'));
  // As root Postgres runs as another user, who has to reach it.
  await chmod(folder, 0o755);
  const sandbox = createSandbox();
  const [postgres, redis, listener] = await Promise.all([
    startPostgres({ dataDir: folder, durable: false }),
    startRedis({ dataDir: folder, persist: true }),
    sandbox.listen(0),
  ]);
  const variables: Record<string, string> = {
    NODE_ENV: 'test',
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    OPENAI_API_KEY: 'conformance',
    OPENAI_BASE_URL: `${listener.url}/v1`,
    INSTAGRAM_GRAPH_URL: `${listener.url}/graph`,
    JWT_SECRET: 'a secret for conformance that is long enough',
    ENCRYPTION_KEY: '00'.repeat(32),
    LIMIT_SUBMISSIONS_PER_MINUTE: '0',
    LIMIT_READS_PER_MINUTE: '0',
    DATA_DIR: folder,
    PORT: '0',
    ...env,
  };
  const settings = (own: Record<string, string>): Config => loadConfig({ ...variables, ...own });
  const db = connectDatabase({ url: postgres.url, name: 'conformance', log });
  await migrate(db);
  const api = await startApi(settings({}), log);
  const apis: RunningApi[] = [api];
  const workers: { close(): Promise<void> }[] = [];
  const stopWorkers = async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.close()));
  };

  const call: Platform['call'] = async (method, path, { token, body } = {}) => {
    const response = await fetch(`${api.url}${path}`, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: readJson(text) };
  };

  return {
    sandbox,
    postgres,
    redis,
    db,
    api,
    call,
    stopWorkers,
    startApi: async (own) => {
      const other = await startApi(settings(own), log);
      apis.push(other);
      return other.url;
    },
    startWorker: async ({ env: own = {}, network } = {}) => {
      workers.push(await startWorker(settings(own), log, network === undefined ? {} : { network }));
    },
    async startWorkerProcess() {
      const child = fork(workerMain, { env: { PATH: process.env.PATH, ...variables }, stdio: 'ignore' });
      await once(child, 'message');
      return {
        kill: async () => {
          if (child.exitCode !== null || child.signalCode !== null) return;
          child.kill('SIGKILL');
          await once(child, 'exit');
        },
      };
    },
    async newTenant(email) {
      const account = await insertAccount(db, {
        email,
        role: 'tenant',
        passwordHash: await hashPassword(email),
        isConfirmed: true,
      });
      if (account === undefined) throw new Error(`${email} exists`);
      await startPeriod(db, {
        accountId: account.id,
        planId: 'scale',
        tokens: tokensEach,
        status: 'active',
        renews: false,
        startsAt: new Date(Date.now() - 1_000),
        endsAt: new Date(Date.now() + 86_400_000),
        grantedBy: null,
      });
      const claims = { accountId: account.id, tokenVersion: 1 };
      return { accountId: account.id, token: await api.services.authenticator.tokens.issue(claims) };
    },
    async run({ token }, path, input, limitMs = 120_000) {
      const { status, body, text } = await call('POST', path, { token, body: input });
      if (status === 400) return refusedJob(String(body.error_code));
      if (status !== 202) throw new Error(`${path} answered ${status}: ${text}`);
      for (const end = Date.now() + limitMs; Date.now() < end; await sleep(50)) {
        const { job } = (await call('GET', `/api/jobs/${body.job_id}`, { token })).body as { job: Job };
        if (job.status !== 'queued' && job.status !== 'running') return job;
      }
      throw new Error(`the job has not ended within ${limitMs} ms`);
    },
    async close() {
      await stopWorkers();
      await Promise.all(apis.map((each) => each.close()));
      await Promise.all([listener.close(), db.close()]);
      await Promise.all([postgres.discard(), redis.kill()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const refusedJob = (errorCode: string): Job => ({
  id: '',
  status: 'refused',
  error_code: errorCode,
  tokens_consumed: 0,
  result: null,
});

function readJson(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
