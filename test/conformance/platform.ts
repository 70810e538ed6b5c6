/** The platform under test: API and workers in this process, with their own Postgres, Redis and sandbox. */
import { createLogger } from '@tally/core';
import { connectDatabase, type Database } from '@tally/db';
import type { Postgres, Redis } from '@tally/embedded';
import {
  createCleanUp,
  migrateAt,
  type Person,
  type Platform as Running,
  type Job as RunningJob,
  startPlatformOver,
  startServices,
} from '@tally/testing';

export type Job = Pick<
  RunningJob<Record<string, unknown>>,
  'id' | 'status' | 'error_code' | 'tokens_consumed' | 'result'
>;

export type Tenant = Person;

export type Platform = Omit<Running, 'run'> & {
  postgres: Postgres;
  redis: Redis;
  /** A separate connection pool, for reading rows directly. */
  db: Database;
  newTenant(email: string): Promise<Person>;
  /** Submits and waits for the job's end. A 400 is returned as a job with status `refused` and its error code. */
  run(tenant: Person, path: string, input: object): Promise<Job>;
  close(): Promise<void>;
};

const log = createLogger('conformance', process.env.LOG_LEVEL ?? 'silent');
const tokensEach = 1_000_000_000;
const jobLimitMs = 120_000;

/** Starts everything except workers. */
export async function startPlatform(env: Record<string, string>): Promise<Platform> {
  const { closeLater, close } = createCleanUp();
  const { folder, postgres, redis } = await startServices({}, closeLater);
  await migrateAt(postgres.url);
  const db = connectDatabase({ url: postgres.url, name: 'conformance', log });
  closeLater(() => db.close());
  const storage = { DATABASE_URL: postgres.url, REDIS_URL: redis.url, DATA_DIR: folder };
  // No host is exempt from the ban on private addresses.
  const limits = { LIMIT_SUBMISSIONS_PER_MINUTE: '0', LIMIT_READS_PER_MINUTE: '0', EXTRACTION_ALLOW_HOSTS: '' };
  const running = await startPlatformOver(storage, { log, worker: false, env: { ...limits, ...env } }, closeLater);
  return {
    ...running,
    postgres,
    redis,
    db,
    newTenant: (email) => running.newPerson({ email, planId: 'scale', tokens: tokensEach }),
    async run({ token }, path, input) {
      const { status, body, text } = await running.call('POST', path, { token, body: input });
      if (status === 400) return refusedJob(String(body.error_code));
      if (status !== 202) throw new Error(`${path} answered ${status}: ${text}`);
      return running.poll(token, String(body.job_id), jobLimitMs);
    },
    close,
  };
}

const refusedJob = (errorCode: string): Job => ({
  id: '',
  status: 'refused',
  error_code: errorCode,
  tokens_consumed: 0,
  result: null,
});
