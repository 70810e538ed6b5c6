/** Selections of columns, for Drizzle, for SQL and for row types. */
import type { GetColumnData, InferSelectModel, SQL } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import { getTableColumns } from '../drizzle.ts';

type Columns = Record<string, PgColumn>;
type ColumnsOf<Table extends PgTable> = Table['_']['columns'];
export type Selection = Record<string, PgColumn | SQL>;

/** A row of these columns and expressions. */
export type Selected<Picked extends Selection> = {
  [Name in keyof Picked]: Picked[Name] extends PgColumn
    ? GetColumnData<Picked[Name]>
    : Picked[Name] extends SQL<infer Value>
      ? Value
      : never;
};

/** A table's row under the columns' own names, as SQL without aliases returns it. */
export type RowOf<Table extends PgTable> = InferSelectModel<Table, { dbColumnNames: true }>;

export const pickColumns = <Table extends PgTable, Name extends keyof ColumnsOf<Table>>(
  table: Table,
  names: readonly Name[],
): Pick<ColumnsOf<Table>, Name> =>
  Object.fromEntries(names.map((name) => [name, getTableColumns(table)[name]])) as Pick<ColumnsOf<Table>, Name>;

/** All but these, in the table's order: a new column is included. */
export const omitColumns = <Table extends PgTable, Name extends keyof ColumnsOf<Table>>(
  table: Table,
  names: readonly Name[],
): Omit<ColumnsOf<Table>, Name> =>
  Object.fromEntries(
    Object.entries(getTableColumns(table)).filter(([name]) => !names.includes(name as Name)),
  ) as unknown as Omit<ColumnsOf<Table>, Name>;

/** These columns for SQL: `j."error_code" as "errorCode"`, where `source`, the table's name or alias there, is `j`. */
export const selectList = (columns: Columns, source?: string): string =>
  Object.entries(columns)
    .map(([name, column]) => `${source === undefined ? '' : `${source}.`}"${column.name}" as "${name}"`)
    .join(', ');

/** One array a name, with a value a row: the parameters of `unnest($1::uuid[], $2::text[], …)`. */
export const toArrays = <Row extends object>(rows: readonly Row[], names: readonly (keyof Row)[]): unknown[][] =>
  names.map((name) => rows.map((row) => row[name]));
