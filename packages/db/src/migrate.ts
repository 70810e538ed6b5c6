/** Brings the schema up to date: each numbered file of `migrations/` once, in order. Safe while the platform works. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { type Database, isSerializationConflict } from './connect.ts';

const defaultFolder = new URL('../migrations/', import.meta.url);

// A statement that waits for its lock makes everybody queue behind it: better to let go soon, and to come again.
const lockWaitMs = 2_000;
const lockTries = 60;
const turnPollMs = 100;

/**
 * Applies what is missing and returns the names of the files applied. Any number of processes may call it at once.
 *
 * A file is one transaction. One whose first line is `-- no transaction` runs statement by statement instead (a line
 * `--;` stands between two): for indexes that are made CONCURRENTLY. Its statements must be safe to repeat.
 * @throws Error where a file that was applied has changed since, or the server is older than PostgreSQL 15
 */
export async function migrate(db: Database, folder: URL = defaultFolder): Promise<string[]> {
  const server = await db.pool.query<{ version: number }>(
    `select current_setting('server_version_num')::integer as version`,
  );
  if ((server.rows[0]?.version ?? 0) < 150_000) throw new Error('Tally needs PostgreSQL 15 or newer');
  const client = await db.pool.connect();
  let failure: Error | undefined;
  try {
    await client.query(`set statement_timeout = 0; set lock_timeout = ${lockWaitMs}`);
    await takeTurn(client);
    await client.query(`create table if not exists migrations (
      name text primary key, hash text not null, applied_at timestamptz not null default now())`);
    const applied: string[] = [];
    for (const name of readdirSync(folder)
      .filter((name) => name.endsWith('.sql'))
      .sort())
      if (await apply(client, name, readFileSync(new URL(name, folder), 'utf8'))) applied.push(name);
    return applied;
  } catch (error) {
    failure = error as Error;
    throw error;
  } finally {
    // The turn and the settings go with the connection.
    client.release(failure ?? true);
  }
}

/** One process at a time. Asked for again and again: a statement that waited would hold up an index made CONCURRENTLY. */
async function takeTurn(client: pg.PoolClient): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ taken: boolean }>(
      `select pg_try_advisory_lock(hashtext('tally:migrate')) as taken`,
    );
    if (rows[0]?.taken === true) return;
    await sleep(turnPollMs);
  }
}

/** Applies one file where it is missing; true where it was. */
async function apply(client: pg.PoolClient, name: string, sql: string): Promise<boolean> {
  const hash = createHash('sha256').update(sql).digest('hex');
  const known = await client.query<{ hash: string }>('select hash from migrations where name = $1', [name]);
  if (known.rows[0]?.hash === hash) return false;
  if (known.rows[0]) throw new Error(`migration ${name} has changed since it was applied: add a new one instead`);
  const note = () => client.query('insert into migrations (name, hash) values ($1, $2)', [name, hash]);
  if (/^-- no transaction\n/.test(sql)) {
    // These locks are in nobody's way, and an index waits for every transaction that was there before it.
    await client.query('set lock_timeout = 0');
    for (const statement of sql.split(/^--;$/m)) await client.query(statement);
    await note();
    await client.query(`set lock_timeout = ${lockWaitMs}`);
    return true;
  }
  await patiently(async () => {
    try {
      await client.query('begin');
      await client.query(sql);
      await note();
      await client.query('commit');
    } catch (error) {
      await client.query('rollback');
      throw error;
    }
  });
  return true;
}

/** Repeats what met another statement's lock. */
async function patiently(work: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await work();
      return;
    } catch (error) {
      if (!isSerializationConflict(error) || tries === lockTries) throw error;
      await sleep(turnPollMs * (0.5 + Math.random()));
    }
  }
}
