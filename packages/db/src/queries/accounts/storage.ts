/** Storage: the bytes of an account's texts, counted by triggers, and the limit of its plan. */
import { TallyError } from '@tally/core';
import type { Database, Transaction } from '../../connect.ts';

export type Storage = { usedBytes: number; limitBytes: number };

/** An account's storage in use and its limit, which is small without a plan. */
export async function readStorage(client: Pick<Database['pool'], 'query'>, accountId: string): Promise<Storage> {
  const { rows } = await client.query<Storage>(
    `select storage_limit($1) as "limitBytes",
       coalesce((select bytes from account_storage where account_id = $1), 0)::bigint as "usedBytes"`,
    [accountId],
  );
  return rows[0] as Storage;
}

/**
 * Refuses early what clearly exceeds the limit: a transaction that is rolled back leaves dead rows behind.
 * @throws TallyError `storage_full`
 */
export async function checkStorageFor(db: Database, accountId: string, bytes: number): Promise<void> {
  const { usedBytes, limitBytes } = await readStorage(db.pool, accountId);
  if (usedBytes + bytes > limitBytes) throw storageFull({ usedBytes: usedBytes + bytes, limitBytes });
}

/**
 * Fails a transaction whose writes exceed the limit. To be called after them: they hold the counter's lock.
 * @throws TallyError `storage_full`
 */
export async function requireStorage(client: Transaction, accountId: string): Promise<void> {
  const storage = await readStorage(client, accountId);
  if (storage.usedBytes > storage.limitBytes) throw storageFull(storage);
}

/** The refusal with its numbers; `usedBytes` may include what was to be stored. */
export const storageFull = ({ usedBytes, limitBytes }: Storage): TallyError =>
  new TallyError(
    'storage_full',
    `This would keep ${usedBytes} bytes, and ${limitBytes} are the account’s: delete some, or take a larger plan`,
    { details: { storage_bytes_needed: usedBytes, storage_bytes_limit: limitBytes } },
  );
