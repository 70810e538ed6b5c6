import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { withDatabase } from '@tally/testing';
import { testLog } from '@tally/testing/vitest';
import { expect, inject, it, onTestFinished } from 'vitest';
import { connectDatabase, type Database, migrate } from '../src/index.ts';

const files = readdirSync(new URL('../migrations/', import.meta.url)).sort();

/** A database without tables, as several processes connect to it. */
async function emptyDatabase(processes: number): Promise<Database[]> {
  const name = `tally_empty_${randomBytes(6).toString('hex')}`;
  const open = (url: string) => {
    const db = connectDatabase({ url, name: 'test', log: testLog, connections: 2 });
    onTestFinished(() => db.close());
    return db;
  };
  await open(inject('postgresUrl')).pool.query(`create database ${name}`);
  return Array.from({ length: processes }, () => open(withDatabase(inject('postgresUrl'), name)));
}

it('applies each migration once when several processes start together', async () => {
  const databases = await emptyDatabase(3);
  const applied = await Promise.all(databases.map((each) => migrate(each)));
  expect(applied.flat().sort()).toEqual(files);
  expect(await Promise.all(databases.map((each) => migrate(each)))).toEqual([[], [], []]);
});

it('refuses to run when an applied migration has changed', async () => {
  const [db] = (await emptyDatabase(1)) as [Database];
  await migrate(db);
  await db.pool.query(`update migrations set hash = 'another' where name = $1`, [files[1]]);
  await expect(migrate(db)).rejects.toThrow(`migration ${files[1]} has changed`);
});

/** A folder of migrations of the test's own. */
async function folderWith(migrations: Record<string, string>): Promise<URL> {
  const folder = await mkdtemp(join(tmpdir(), 'tally-migrations-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, sql] of Object.entries(migrations)) await writeFile(join(folder, name), sql);
  return pathToFileURL(`${folder}/`);
}

it('makes an index beside writers, while other processes wait to migrate', async () => {
  const databases = await emptyDatabase(3);
  const [db] = databases as [Database];
  await db.pool.query('create table things (id integer)');
  const folder = await folderWith({
    '0001_index.sql':
      '-- no transaction\ndrop index concurrently if exists by_id;\n--;\ncreate index concurrently by_id on things (id);\n',
  });
  const writer = await db.pool.connect();
  await writer.query('begin; insert into things values (1)');
  const migrating = Promise.all(databases.map((each) => migrate(each, folder)));
  // The index waits for this transaction, longer than the lock timeout of other migrations; this one is not blocked.
  await writer.query('select pg_sleep(2.5)');
  await writer.query('insert into things values (2); commit');
  writer.release();
  expect((await migrating).flat()).toEqual(['0001_index.sql']);
});

it('gives up a table lock that blocks others, and tries again', async () => {
  const [db] = (await emptyDatabase(1)) as [Database];
  await db.pool.query('create table things (id integer)');
  const folder = await folderWith({ '0001_column.sql': 'alter table things add column name text;' });
  const reader = await db.pool.connect();
  await reader.query('begin; select from things');
  const waiting = () =>
    db.hot.query<{ count: number }>(
      `select count(*)::integer as count from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
    );
  const migrating = migrate(db, folder);
  const seen = { waits: false, letsGo: false };
  while (!seen.letsGo) {
    const isWaiting = (await waiting()).rows[0]?.count === 1;
    seen.letsGo = seen.waits && !isWaiting;
    seen.waits ||= isWaiting;
  }
  await reader.query('commit');
  reader.release();
  expect(await migrating).toEqual(['0001_column.sql']);
});
