/** Statements that many tables share: an account's row, a page of its rows, and the deletion of one. */
import type { SQL } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { Database } from '../connect.ts';
import { and, desc, eq, lt } from '../drizzle.ts';
import type { Selected, Selection } from '../schema/columns.ts';

type OwnTable = PgTable & { accountId: PgColumn; id: PgColumn };

/** The row with this id, if it belongs to the account. */
export const isOwn = (table: Pick<OwnTable, 'accountId' | 'id'>, accountId: string, id: string): SQL | undefined =>
  and(eq(table.accountId, accountId), eq(table.id, id));

/** Reads the account's row with this id; undefined where it has none. */
export async function findOwn<Picked extends Selection>(
  db: Pick<Database, 'orm'>,
  table: OwnTable,
  columns: Picked,
  accountId: string,
  id: string,
): Promise<Selected<Picked> | undefined> {
  const rows = await db.orm
    .select(columns as Selection)
    .from(table as PgTable)
    .where(isOwn(table, accountId, id));
  return rows[0] as Selected<Picked> | undefined;
}

/** At most `limit` rows, with ids below `beforeId` where it is given. */
export type OwnPage = { accountId: string; limit: number; beforeId?: string | undefined };

/** Reads a page of the account's rows that meet the condition, newest first: ids sort by age. */
export async function listOwn<Picked extends Selection>(
  db: Database,
  table: OwnTable,
  columns: Picked,
  { accountId, limit, beforeId }: OwnPage,
  condition?: SQL,
): Promise<Selected<Picked>[]> {
  const isBelow = beforeId === undefined ? undefined : lt(table.id, beforeId);
  const rows = await db.orm
    .select(columns as Selection)
    .from(table as PgTable)
    .where(and(eq(table.accountId, accountId), isBelow, condition))
    .orderBy(desc(table.id))
    .limit(limit);
  return rows as Selected<Picked>[];
}

/** Deletes the account's row with this id; false where it has none. */
export async function deleteOwn(db: Database, table: OwnTable, accountId: string, id: string): Promise<boolean> {
  const { rowCount } = await db.orm.delete(table).where(isOwn(table, accountId, id));
  return rowCount === 1;
}
