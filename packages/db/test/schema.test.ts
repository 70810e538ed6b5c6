/** The Drizzle schema and the migrated database have the same tables and columns. */
import { newDatabase, testLog } from '@tally/testing/vitest';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { expect, it, onTestFinished } from 'vitest';
import { getTableConfig, is, PgDialect, PgTable, SQL, sql } from '../src/drizzle.ts';
import { connectDatabase, type Database } from '../src/index.ts';
import * as schema from '../src/schema/index.ts';

const toSql = (expression: InstanceType<typeof SQL>): string =>
  new PgDialect().sqlToQuery(expression.inlineParams()).sql;

/** A column's definition in `create table`. */
function toDefinition(column: PgColumn): string {
  const { name, default: value, generated } = column;
  const parts = [`"${name}" ${column.getSQLType()}`, column.notNull ? 'not null' : ''];
  if (value !== undefined) parts.push(`default ${toSql(is(value, SQL) ? value : sql`${sql.param(value, column)}`)}`);
  const expression = typeof generated?.as === 'function' ? generated.as() : generated?.as;
  if (is(expression, SQL)) parts.push(`generated always as (${toSql(expression)}) stored`);
  return parts.join(' ');
}

/** Every column of a namespace, with its definition as Postgres prints it. */
async function readTables({ pool }: Database, namespace: string): Promise<Record<string, Record<string, string>>> {
  const { rows } = await pool.query<{ table: string; column: string; definition: string }>(
    `select c.relname as table, a.attname as column, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
       case when a.attnotnull then 'not null' end, case when d.oid is not null then 'default ' || pg_get_expr(d.adbin, d.adrelid) end,
       case a.attgenerated when 's' then 'generated' end, case when a.attidentity <> '' then 'identity' end) as definition
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
     where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p')
     order by 1, 2`,
    [namespace],
  );
  const tables = Map.groupBy(rows, ({ table }) => table);
  return Object.fromEntries(
    [...tables].map(([name, columns]) => [name, Object.fromEntries(columns.map((c) => [c.column, c.definition]))]),
  );
}

it('the schema has exactly the tables and columns of the migrations', async () => {
  const db = connectDatabase({ url: await newDatabase(), name: 'test', log: testLog, connections: 1 });
  onTestFinished(() => db.close());
  // Created beside the migrated tables, so that Postgres prints both definitions alike.
  await db.pool.query('create schema drizzle');
  for (const table of Object.values(schema).filter((value) => is(value, PgTable))) {
    const { name, columns } = getTableConfig(table);
    await db.pool.query(`create table drizzle."${name}" (${columns.map(toDefinition).join(', ')})`);
  }
  // migrate() has a table of its own.
  const { migrations: _, ...migrated } = await readTables(db, 'public');
  expect(Object.keys(migrated).length).toBeGreaterThan(25);
  expect(await readTables(db, 'drizzle')).toEqual(migrated);
});
