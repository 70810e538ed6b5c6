/** Selections of columns, for Drizzle, for SQL and for row types; and conditions that many statements share. */
import { and, eq, type GetColumnData, getTableColumns, type InferSelectModel, lt, type SQL } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';

type Columns = Record<string, PgColumn>;
type ColumnsOf<Table extends PgTable> = Table['_']['columns'];

/** A row of these columns. */
export type Selected<Picked extends Columns> = { [Name in keyof Picked]: GetColumnData<Picked[Name]> };

/** A table's row under the columns' own names, as SQL without aliases returns it. */
export type RowOf<Table extends PgTable> = InferSelectModel<Table, { dbColumnNames: true }>;

export const pickColumns = <Table extends PgTable, Name extends keyof ColumnsOf<Table>>(
  table: Table,
  names: readonly Name[],
): Pick<ColumnsOf<Table>, Name> =>
  Object.fromEntries(names.map((name) => [name, getTableColumns(table)[name]])) as Pick<ColumnsOf<Table>, Name>;

/** All but these, in the table's order: a new column is among them. */
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

/** The row under an id, where it is the account's: another account's does not exist for it. */
export const isOwn = (table: { accountId: PgColumn; id: PgColumn }, accountId: string, id: string): SQL | undefined =>
  and(eq(table.accountId, accountId), eq(table.id, id));

/** A page's rows, where ids sort by age: from below the last one of the page before, or all. */
export const isBelow = (id: PgColumn, beforeId: string | undefined): SQL | undefined =>
  beforeId === undefined ? undefined : lt(id, beforeId);
