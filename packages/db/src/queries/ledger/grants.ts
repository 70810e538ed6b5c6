/** Grants: adding tokens to a subscription, and taking them back. */
import { newId } from '@tally/core';
import { type Database, inTransaction } from '../../connect.ts';
import { eq, sql } from '../../drizzle.ts';
import { tokenGrants } from '../../schema/index.ts';

type Grant = typeof tokenGrants.$inferSelect;

/** Adds tokens to the current subscription, once per idempotency key; undefined where the account has none. */
export async function insertGrant(
  db: Database,
  grant: Pick<Grant, 'accountId' | 'tokens' | 'reason' | 'idempotencyKey' | 'grantedBy'> & {
    kind: Extract<Grant['kind'], 'top_up' | 'adjustment' | 'refund'>;
  },
): Promise<{ grantId: string; subscriptionId: string } | undefined> {
  return inTransaction(db, async (client) => {
    // Waits for a period that is just being started: a grant to the one that it ends would be lost.
    await client.query('select from accounts where id = $1 for update', [grant.accountId]);
    const { rows } = await client.query<{ grantId: string; subscriptionId: string }>(
      `with granted as (
         insert into token_grants (id, account_id, subscription_id, kind, tokens, reason, idempotency_key, granted_by)
         select $1, s.account_id, s.id, $3, $4, $5, $6, $7 from subscriptions s where s.account_id = $2 and s.is_current
         on conflict (idempotency_key) do nothing returning id, subscription_id
       ), known as (
         select * from granted union all select id, subscription_id from token_grants where idempotency_key = $6 limit 1
       )
       select id as "grantId", subscription_id as "subscriptionId" from known`,
      [newId(), grant.accountId, grant.kind, grant.tokens, grant.reason, grant.idempotencyKey, grant.grantedBy],
    );
    return rows[0];
  });
}

/** The grant made with this key, or the tokens taken back; `isRecent` within the key's 24 hours. */
export async function findGrant(db: Database, idempotencyKey: string): Promise<{ isRecent: boolean } | undefined> {
  const rows = await db.orm
    .select({ isRecent: sql<boolean>`${tokenGrants.createdAt} > now() - interval '24 hours'` })
    .from(tokenGrants)
    .where(eq(tokenGrants.idempotencyKey, idempotencyKey));
  return rows[0];
}

/** The step of a hold on tokens that are about to be taken back; its fence is 0, which no job's claim has. */
export const takeBackStep = 'take_back';

/**
 * Turns a hold into a negative grant of its tokens; false where the hold was gone.
 * @throws a unique violation (see isUniqueViolation) where the key has been used before
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
