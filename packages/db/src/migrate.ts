/** Migrations: applies each numbered file of `migrations/` once, in order. Safe while the platform runs. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { type Database, isSerializationConflict } from './connect.ts';

const defaultFolder = new URL('../migrations/', import.meta.url);

// Later statements queue behind one that waits for a table lock, so it gives up soon and is repeated.
const lockWaitMs = 2_000;
const lockTries = 60;
const pollMs = 100;

/**
 * Applies the missing files and returns their names. Any number of processes may call it at once.
 *
 * A file is one transaction. After a first line `-- no transaction` its statements, separated by lines `--;`, run one by
 * one instead, for indexes made CONCURRENTLY; they must be safe to repeat.
 * @throws Error where an applied file has changed since, or the server is older than PostgreSQL 15
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
    await lockMigrations(client);
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
    // Closing the connection releases the lock and drops the settings.
    client.release(failure ?? true);
  }
}

/** Takes the lock of migrations by polling: a waiting statement would block an index made CONCURRENTLY. */
async function lockMigrations(client: pg.PoolClient): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ taken: boolean }>(
      `select pg_try_advisory_lock(hashtext('tally:migrate')) as taken`,
    );
    if (rows[0]?.taken === true) return;
    await sleep(pollMs);
  }
}

/** Applies one file, unless it was applied before; true where it was not. */
async function apply(client: pg.PoolClient, name: string, sql: string): Promise<boolean> {
  const hash = createHash('sha256').update(sql).digest('hex');
  const known = await client.query<{ hash: string }>('select hash from migrations where name = $1', [name]);
  if (known.rows[0]?.hash === hash) return false;
  if (known.rows[0]) throw new Error(`migration ${name} has changed since it was applied: add a new one instead`);
  const record = () => client.query('insert into migrations (name, hash) values ($1, $2)', [name, hash]);
  if (/^-- no transaction\n/.test(sql)) {
    // CONCURRENTLY waits for all older transactions, under a lock that blocks neither reads nor writes.
    await client.query('set lock_timeout = 0');
    for (const statement of sql.split(/^--;$/m)) await client.query(statement);
    await record();
    await client.query(`set lock_timeout = ${lockWaitMs}`);
    return true;
  }
  await repeatOnConflict(async () => {
    try {
      await client.query('begin');
      await client.query(sql);
      await record();
      await client.query('commit');
    } catch (error) {
      await client.query('rollback');
      throw error;
    }
  });
  return true;
}

/** Repeats work that ran into another transaction's lock. */
async function repeatOnConflict(work: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await work();
      return;
    } catch (error) {
      if (!isSerializationConflict(error) || tries === lockTries) throw error;
      await sleep(pollMs * (0.5 + Math.random()));
    }
  }
}
