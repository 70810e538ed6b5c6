/** Remembering what an idempotency key was first used for. Keys live 24 hours and belong to one account. */
import type { Database } from '../../connect.ts';

export type IdempotencyRecord = { requestHash: Buffer; jobId: string | null; response: unknown };

export async function findIdempotencyKey(
  db: Database,
  accountId: string,
  key: string,
): Promise<IdempotencyRecord | undefined> {
  const { rows } = await db.hot.query<{ request_hash: Buffer; job_id: string | null; response: unknown }>({
    name: 'find_idempotency_key',
    text: `select request_hash, job_id, response from idempotency_keys
      where account_id = $1 and key = $2 and created_at >= now() - interval '24 hours'`,
    values: [accountId, key],
  });
  return rows[0] && { requestHash: rows[0].request_hash, jobId: rows[0].job_id, response: rows[0].response };
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

/** Takes a key for a request whose answer comes later; returns what it was taken for before, if it was. */
export async function beginIdempotent(
  db: Database,
  input: { accountId: string; key: string; requestHash: Buffer },
): Promise<IdempotencyRecord | undefined> {
  const { rowCount } = await db.pool.query(
    `insert into idempotency_keys (account_id, key, request_hash) values ($1, $2, $3)
     on conflict (account_id, key) do update set request_hash = excluded.request_hash, response = null, created_at = now()
     where idempotency_keys.created_at < now() - interval '24 hours'
       -- A process that died over a request must not block its repetition for a day.
       or (idempotency_keys.response is null and idempotency_keys.created_at < now() - interval '1 minute')`,
    [input.accountId, input.key, input.requestHash],
  );
  return rowCount === 1 ? undefined : findIdempotencyKey(db, input.accountId, input.key);
}

/** Keeps the answer for repetitions. */
export async function endIdempotent(
  db: Database,
  input: { accountId: string; key: string; response: unknown },
): Promise<void> {
  await db.pool.query('update idempotency_keys set response = $3 where account_id = $1 and key = $2', [
    input.accountId,
    input.key,
    JSON.stringify(input.response),
  ]);
}

/** Frees the key of a request that failed. */
export async function forgetIdempotent(db: Database, input: { accountId: string; key: string }): Promise<void> {
  await db.pool.query('delete from idempotency_keys where account_id = $1 and key = $2 and response is null', [
    input.accountId,
    input.key,
  ]);
}
