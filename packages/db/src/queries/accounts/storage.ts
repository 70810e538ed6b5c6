/** How much an account keeps, and may keep: bytes of its texts, counted by triggers. */
import { TallyError } from '@tally/core';
import type { Database, Transaction } from '../../connect.ts';

export type Storage = { usedBytes: number; limitBytes: number };

/** What an account keeps, and how much it may; by its plan, and a little without one. */
export async function readStorage(client: Pick<Database['pool'], 'query'>, accountId: string): Promise<Storage> {
  const { rows } = await client.query<Storage>(
    `select storage_limit($1) as "limitBytes",
       coalesce((select bytes from account_storage where account_id = $1), 0)::bigint as "usedBytes"`,
    [accountId],
  );
  return rows[0] as Storage;
}

/**
 * Refuses what there is clearly no room for, before anything is written: what is rolled back leaves its rubbish behind.
 * @throws TallyError `storage_full`
 */
export async function refuseWithoutRoom(db: Database, accountId: string, bytes: number): Promise<void> {
  const { usedBytes, limitBytes } = await readStorage(db.pool, accountId);
  if (usedBytes + bytes > limitBytes) throw storageFull({ usedBytes: usedBytes + bytes, limitBytes });
}

/**
 * Ends a transaction that has just stored something, where that was more than there is room for: the counter is locked by
 * what was stored, so nothing else of the account comes between.
 * @throws TallyError `storage_full`
 */
export async function requireRoom(client: Transaction, accountId: string): Promise<void> {
  const storage = await readStorage(client, accountId);
  if (storage.usedBytes > storage.limitBytes) throw storageFull(storage);
}

/** The refusal, with the numbers; `usedBytes` may count what was to be stored. */
export const storageFull = ({ usedBytes, limitBytes }: Storage): TallyError =>
  new TallyError(
    'storage_full',
    `This would keep ${usedBytes} bytes, and ${limitBytes} are the account’s: delete some, or take a larger plan`,
    {
      details: { storage_bytes_needed: usedBytes, storage_bytes_limit: limitBytes },
    },
  );
