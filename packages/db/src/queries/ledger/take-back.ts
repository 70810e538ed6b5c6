/** Taking tokens back: a grant below zero, under a hold that was made for it. */
import type { Database } from '../../connect.ts';

/** The step of a hold for tokens that are about to be taken back; its fence is 0, which no job's claim has. */
export const takeBackStep = 'take_back';

/**
 * Lowers what was granted by what the hold holds, and lets the hold go; false where the hold was gone and nothing was taken. @throws a duplicate (23505) where the key has been used before
 */
export async function settleTakeBack(
  db: Database,
  input: { holdId: string; reason: string; idempotencyKey: string; grantedBy: string | null },
): Promise<boolean> {
  const { rowCount } = await db.hot.query(
    `with unheld as (delete from token_holds where id = $1 returning *)
     insert into token_grants (id, account_id, subscription_id, kind, tokens, reason, idempotency_key, granted_by)
     select id, account_id, subscription_id, 'take_back', -tokens, $2, $3, $4 from unheld`,
    [input.holdId, input.reason, input.idempotencyKey, input.grantedBy],
  );
  return rowCount === 1;
}
