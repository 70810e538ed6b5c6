/** Remembering what an idempotency key was first used for. Keys live 24 hours and belong to one account. */
import type { Database } from '../connect.ts';

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
