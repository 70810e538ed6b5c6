/** Idempotency keys and what they were first used for. They live 24 hours and belong to one account. */
import type { Database } from '../../connect.ts';
import { and, eq, isNull, sql } from '../../drizzle.ts';
import { pickColumns, type Selected, selectList } from '../../schema/columns.ts';
import { idempotencyKeys } from '../../schema/index.ts';

const recordColumns = pickColumns(idempotencyKeys, ['requestHash', 'jobId', 'response']);
export type IdempotencyRecord = Selected<typeof recordColumns>;
type AccountKey = Pick<typeof idempotencyKeys.$inferSelect, 'accountId' | 'key'>;
const isKey = ({ accountId, key }: AccountKey) =>
  and(eq(idempotencyKeys.accountId, accountId), eq(idempotencyKeys.key, key));

export async function findIdempotencyKey(
  db: Database,
  accountId: string,
  key: string,
): Promise<IdempotencyRecord | undefined> {
  const { rows } = await db.hot.query<IdempotencyRecord>({
    name: 'find_idempotency_key',
    text: `select ${selectList(recordColumns)} from idempotency_keys
      where account_id = $1 and key = $2 and created_at >= now() - interval '24 hours'`,
    values: [accountId, key],
  });
  return rows[0];
}

/** Deletes up to `limit` keys that are older than their 24 hours; returns how many. */
export async function deleteOldIdempotencyKeys(db: Database, limit: number): Promise<number> {
  const { rowCount } = await db.pool.query(
    `delete from idempotency_keys where ctid = any(array(
       select ctid from idempotency_keys where created_at < now() - interval '24 hours' order by created_at limit $1))`,
    [limit],
  );
  return rowCount ?? 0;
}

/** Claims a key for a request whose response comes later; returns its record where it was claimed before. */
export async function claimIdempotencyKey(
  db: Database,
  input: AccountKey & { requestHash: Buffer },
): Promise<IdempotencyRecord | undefined> {
  const { createdAt, response } = idempotencyKeys;
  const { rowCount } = await db.orm
    .insert(idempotencyKeys)
    .values(input)
    .onConflictDoUpdate({
      target: [idempotencyKeys.accountId, idempotencyKeys.key],
      set: { requestHash: input.requestHash, response: null, createdAt: sql`now()` },
      // A process that died during a request must not block its repetition for a day.
      setWhere: sql`${createdAt} < now() - interval '24 hours'
        or (${response} is null and ${createdAt} < now() - interval '1 minute')`,
    });
  return rowCount === 1 ? undefined : findIdempotencyKey(db, input.accountId, input.key);
}

/** Stores the response for repetitions. */
export async function storeIdempotentResponse(db: Database, input: AccountKey & { response: object }): Promise<void> {
  await db.orm.update(idempotencyKeys).set({ response: input.response }).where(isKey(input));
}

/** Releases the key of a request that failed. */
export async function releaseIdempotencyKey(db: Database, input: AccountKey): Promise<void> {
  await db.orm.delete(idempotencyKeys).where(and(isKey(input), isNull(idempotencyKeys.response)));
}
