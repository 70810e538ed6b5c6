/** Brings the schema up to date: each numbered file of `migrations/` once, in order, in one transaction each. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { type Database, inTransaction } from './connect.ts';

const folder = new URL('../migrations/', import.meta.url);

/**
 * Applies what is missing and returns the names of the files applied. Any number of processes may call it at once.
 * @throws Error where a file that was applied has changed since, or the server is older than PostgreSQL 15
 */
export async function migrate(db: Database): Promise<string[]> {
  const server = await db.pool.query<{ version: number }>(
    `select current_setting('server_version_num')::integer as version`,
  );
  if ((server.rows[0]?.version ?? 0) < 150_000) throw new Error('Tally needs PostgreSQL 15 or newer');
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  const applied: string[] = [];
  for (const name of files) {
    const sql = readFileSync(new URL(name, folder), 'utf8');
    const hash = createHash('sha256').update(sql).digest('hex');
    const isNew = await inTransaction(db, async (client) => {
      await client.query(`select pg_advisory_xact_lock(hashtext('tally:migrate'))`);
      await client.query(`create table if not exists migrations (
        name text primary key, hash text not null, applied_at timestamptz not null default now())`);
      const known = await client.query<{ hash: string }>('select hash from migrations where name = $1', [name]);
      if (known.rows[0]?.hash === hash) return false;
      if (known.rows[0]) throw new Error(`migration ${name} has changed since it was applied: add a new one instead`);
      await client.query(sql);
      await client.query('insert into migrations (name, hash) values ($1, $2)', [name, hash]);
      return true;
    });
    if (isNew) applied.push(name);
  }
  return applied;
}
