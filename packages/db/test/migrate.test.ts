import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { expect, inject, it, onTestFinished } from 'vitest';
import { withDatabase } from '../../../test/harness/services.ts';
import { testLog } from '../../../test/harness/tally.ts';
import { connectDatabase, type Database, migrate } from '../src/index.ts';

const files = readdirSync(new URL('../migrations/', import.meta.url)).sort();

/** A database without a single table, seen from several processes. */
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

it('applies each migration once, however many processes start at the same time', async () => {
  const databases = await emptyDatabase(3);
  const applied = await Promise.all(databases.map(migrate));
  expect(applied.flat().sort()).toEqual(files);
  expect(await Promise.all(databases.map(migrate))).toEqual([[], [], []]);
});

it('refuses to go on where an applied migration has changed since', async () => {
  const [db] = (await emptyDatabase(1)) as [Database];
  await migrate(db);
  await db.pool.query(`update migrations set hash = 'another' where name = $1`, [files[1]]);
  await expect(migrate(db)).rejects.toThrow(`migration ${files[1]} has changed`);
});
