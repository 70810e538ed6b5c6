/** What the bench runs on: a Postgres, a Redis and a sandbox of its own, under a temporary folder. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@tally/core';
import { connectDatabase, migrate } from '@tally/db';
import { type Postgres, type Redis, startPostgres, startRedis } from '@tally/embedded';
import { type Child, startChild, stopChildren } from './process.ts';

export type World = {
  folder: string;
  /** As durable as `npm start` has it. */
  postgres: Postgres;
  redis: Redis;
  sandbox: Child;
  /** A new database with the schema; its URL. */
  newDatabase(name: string): Promise<string>;
  /** How long the model takes for an answer. Its answers are short: making them is not what is measured. */
  setModelDelay(delayMs: number): Promise<void>;
  /** What the model itself wrote down of the calls it has answered. */
  readBook(): Promise<{ answered: number; prompt_tokens: number }>;
};

const templateName = 'bench_template';
const answerTokens = 30;
const silent = createLogger('bench', 'silent');
const endings: (() => Promise<unknown>)[] = [];

/** Starts everything; {@link endWorld} ends it, also where this throws. */
export async function startWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'tally-bench-'));
  endings.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const [postgres, redis, sandbox] = await Promise.all([
    keep(startPostgres({ dataDir: folder, durable: true }), (it) => it.discard()),
    keep(startRedis({ dataDir: folder, persist: true }), (it) => it.kill()),
    startChild('apps/sandbox/src/main.ts', { folder, env: { SANDBOX_PORT: '0', LOG_LEVEL: 'warn' } }),
  ]);
  const onServer = async (sql: string) => {
    const db = connectDatabase({ url: postgres.url, name: 'bench', log: silent, connections: 1 });
    await db.pool.query(sql).finally(db.close);
  };
  const urlOf = (database: string) => Object.assign(new URL(postgres.url), { pathname: `/${database}` }).toString();
  await onServer(`create database ${templateName}`);
  const template = connectDatabase({ url: urlOf(templateName), name: 'bench', log: silent, connections: 1 });
  await migrate(template).finally(template.close);

  const setModelDelay = async (delayMs: number) => {
    const body = JSON.stringify({ delay_ms: delayMs, output_tokens: answerTokens });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${sandbox.url}/sandbox/settings`, { method: 'PUT', headers, body });
    if (!answer.ok) throw new Error(`the sandbox refused its settings: ${await answer.text()}`);
  };
  await setModelDelay(0);
  return {
    folder,
    postgres,
    redis,
    sandbox,
    setModelDelay,
    newDatabase: async (name) => {
      await onServer(`create database ${name} template ${templateName}`);
      return urlOf(name);
    },
    readBook: async () => {
      const answer = await fetch(`${sandbox.url}/sandbox/book/totals`);
      return ((await answer.json()) as { totals: { answered: number; prompt_tokens: number } }).totals;
    },
  };
}

/** Has something ended with the world: the latest first. */
export function atEnd(end: () => Promise<unknown>): void {
  endings.push(end);
}

/** Ends every process and removes the folder. Safe to call at any moment. */
export async function endWorld(): Promise<void> {
  await stopChildren();
  for (let end = endings.pop(); end !== undefined; end = endings.pop()) await end().catch(() => undefined);
}

async function keep<T>(starting: Promise<T>, end: (it: T) => Promise<unknown>): Promise<T> {
  // Also one that is still starting when the bench is stopped.
  endings.push(async () => end(await starting));
  return starting;
}
