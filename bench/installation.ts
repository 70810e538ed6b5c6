/** Creates an installation for one section of the bench: a database, a key prefix, and accounts with knowledge. */
import { randomBytes } from 'node:crypto';
import { type Config, connectRedis, createLogger, loadConfig, newId, redisReady } from '@tally/core';
import { connectDatabase, type Database, insertKnowledge, submitJobs } from '@tally/db';
import { enqueue, openQueues, type Queues } from '@tally/queue';
import { type AnyTask, findTask } from '@tally/tasks';
import { newAccount } from '@tally/testing';
import { createTokens } from '../apps/api/src/auth/tokens.ts';
import { demoKnowledge } from '../apps/ops/src/demo/knowledge.ts';
import { openBareQueue } from './children/bare-queue.ts';
import { atEnd, type World } from './world.ts';

export type Account = { accountId: string; subscriptionId: string; bearer: string };

export type Installation = {
  /** The environment of this installation's processes. */
  env: Record<string, string>;
  db: Database;
  queues: Queues;
  bareQueue: Awaited<ReturnType<typeof openBareQueue>>['queue'];
  accounts: Account[];
  task: AnyTask;
};

export const questions = [
  'How long do I have to return a lamp?',
  'What does shipping to Spain cost, and how long does it take?',
  'Can the LED module of the Aurora be replaced?',
  'Which bulb does the Lumen floor lamp take?',
  'Do you ship outside Europe?',
];

const tokensEach = 1_000_000_000;
const silent = createLogger('bench', 'silent');

/** `name` determines its database and key prefix. */
export async function newInstallation(world: World, name: string, accountCount: number): Promise<Installation> {
  const env = {
    NODE_ENV: 'production',
    DATABASE_URL: await world.newDatabase(`bench_${name}`),
    REDIS_URL: world.redis.url,
    REDIS_KEY_PREFIX: `bench_${name}`,
    DATA_DIR: world.folder,
    OPENAI_API_KEY: 'bench',
    OPENAI_BASE_URL: `${world.sandbox.url}/v1`,
    JWT_SECRET: randomBytes(32).toString('hex'),
    ENCRYPTION_KEY: randomBytes(32).toString('hex'),
    PORT: '0',
    LIMIT_SUBMISSIONS_PER_MINUTE: '0',
    LIMIT_READS_PER_MINUTE: '0',
    LIMIT_QUEUED_JOBS: '0',
  };
  const config = loadConfig(env);
  const db = connectDatabase({ url: config.databaseUrl, name: 'bench', log: silent });
  const redis = connectRedis(config.redisUrls, 'producer', () => undefined);
  atEnd(async () => {
    redis.disconnect();
    await db.close();
  });
  await redisReady(redis, 10_000);
  const task = findTask('ask-question');
  if (task === undefined) throw new Error('the task that the bench runs is gone');
  const queues = openQueues({ redis, keyPrefix: config.redisKeyPrefix, taskNames: [task.name], log: silent });
  const { queue: bareQueue, close } = await openBareQueue(config);
  atEnd(close);
  return { env, db, queues, bareQueue, task, accounts: await openAccounts(db, config, accountCount) };
}

async function openAccounts(db: Database, config: Config, count: number): Promise<Account[]> {
  const tokens = createTokens([config.jwtSecret]);
  const accounts: Account[] = [];
  for (let i = 0; i < count; i++) {
    const { accountId, subscriptionId } = await newAccount({ db }, { planId: 'scale', tokens: tokensEach });
    for (const entry of demoKnowledge) await insertKnowledge(db, { accountId, ...entry });
    accounts.push({ accountId, subscriptionId, bearer: await tokens.issue({ accountId, tokenVersion: 1 }) });
  }
  return accounts;
}

const page = 500;
export type SubmittedJob = { jobId: string; account: Account };

/** Commits jobs of all accounts and questions in rotation, without enqueuing them. */
export async function commitJobs(installation: Installation, count: number): Promise<SubmittedJob[]> {
  const { db, accounts, task } = installation;
  const committed: SubmittedJob[] = [];
  while (committed.length < count) {
    const jobs = Array.from({ length: Math.min(page, count - committed.length) }, (_, i) => {
      const index = committed.length + i;
      const account = accounts[index % accounts.length] as Account;
      return { jobId: newId(), account, question: questions[Math.floor(index / accounts.length) % questions.length] };
    });
    const submissions = jobs.map(({ jobId, account, question }) => ({
      id: jobId,
      accountId: account.accountId,
      task: task.name,
      inputJson: JSON.stringify({ question }),
      minTokens: 1,
    }));
    const outcomes = await submitJobs(db, submissions);
    if (outcomes.some(({ outcome }) => outcome !== 'queued')) throw new Error('a job of the bench was not accepted');
    committed.push(...jobs);
  }
  return committed;
}

/** Commits and enqueues jobs. */
export async function submitMany(installation: Installation, count: number): Promise<void> {
  const { queues, task } = installation;
  for (let left = count; left > 0; left -= page) {
    const jobs = await commitJobs(installation, Math.min(page, left));
    const toDispatch = ({ jobId, account: { accountId } }: SubmittedJob) => {
      return { jobId, accountId, task: task.name, dispatch: 1, delayMs: 0 };
    };
    await enqueue(queues, jobs.map(toDispatch));
  }
}
