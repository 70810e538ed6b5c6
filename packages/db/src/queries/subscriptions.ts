/** Plans, periods and grants: everything that adds tokens. */
import { newId } from '@tally/core';
import { asc } from 'drizzle-orm';
import { type Database, inTransaction, type Transaction } from '../connect.ts';
import { plans } from '../schema.ts';

export type Plan = typeof plans.$inferSelect;

export async function listPlans(db: Database): Promise<Plan[]> {
  return db.orm.select().from(plans).orderBy(asc(plans.tokens));
}

export type NewPeriod = {
  accountId: string;
  planId: string;
  tokens: number;
  status: 'active' | 'inactive' | 'expired';
  renews: boolean;
  startsAt: Date;
  endsAt: Date;
  grantedBy: string | null;
};

/** Starts a period and ends the running one; unused top-ups move over. Returns the new subscription's id. */
export async function startPeriod(db: Database, period: NewPeriod): Promise<string> {
  const id = newId();
  await db.pool.query('select start_period($1, $2, $3, $4, $5, $6, $7, $8, $9)', [
    id,
    period.accountId,
    period.planId,
    period.tokens,
    period.status,
    period.renews,
    period.startsAt,
    period.endsAt,
    period.grantedBy,
  ]);
  return id;
}

/** Starts the next period of an account whose current one has ended and renews; harmless otherwise. */
export async function renewPeriod(db: Database, accountId: string): Promise<boolean> {
  const { rows } = await db.pool.query<{ renewed: boolean }>('select renew_period($1, $2) as renewed', [
    newId(),
    accountId,
  ]);
  return rows[0]?.renewed ?? false;
}

/** Ends the running period for good, where there is one: it pays for nothing more and is never renewed. */
export async function endSubscription(client: Transaction, accountId: string): Promise<void> {
  await client.query(
    `update subscriptions set status = 'inactive', renews = false, ends_at = greatest(starts_at, least(ends_at, now()))
     where account_id = $1 and is_current`,
    [accountId],
  );
}

/** Accounts whose current period has ended and renews. */
export async function listRenewalsDue(db: Database, limit: number): Promise<string[]> {
  const { rows } = await db.pool.query<{ account_id: string }>(
    `select account_id from subscriptions
     where is_current and renews and status = 'active' and ends_at <= now() order by ends_at limit $1`,
    [limit],
  );
  return rows.map((row) => row.account_id);
}

/** Moves the top-ups that ended periods kept back for their last holds; returns how many periods are now dealt with. */
export async function carryOverRests(db: Database, limit: number): Promise<number> {
  const due = await db.pool.query<{ id: string }>(
    `select s.id from subscriptions s where not s.is_current and not s.carried_over
       and not exists (select from token_holds h where h.subscription_id = s.id) order by s.id limit $1`,
    [limit],
  );
  let moved = 0;
  // A transaction each: together they would lock the heirs' balances in no order.
  for (const { id } of due.rows) {
    const { rows } = await db.pool.query<{ is_moved: boolean }>('select carry_over_rest($1) as is_moved', [id]);
    if (rows[0]?.is_moved) moved++;
  }
  return moved;
}

/** Adds tokens to the current subscription; undefined where there is none. The key makes a repetition harmless. */
export async function insertGrant(
  db: Database,
  grant: {
    accountId: string;
    kind: 'top_up' | 'adjustment' | 'refund';
    tokens: number;
    reason: string;
    idempotencyKey: string;
    grantedBy: string | null;
  },
): Promise<{ grantId: string; subscriptionId: string } | undefined> {
  return inTransaction(db, async (client) => {
    // Waits for a period that is just being started: tokens granted to the one it ends would be lost.
    await client.query('select from accounts where id = $1 for update', [grant.accountId]);
    const { rows } = await client.query<{ id: string; subscription_id: string }>(
      `with granted as (
         insert into token_grants (id, account_id, subscription_id, kind, tokens, reason, idempotency_key, granted_by)
         select $1, s.account_id, s.id, $3, $4, $5, $6, $7 from subscriptions s where s.account_id = $2 and s.is_current
         on conflict (idempotency_key) do nothing returning id, subscription_id)
       select * from granted union all select id, subscription_id from token_grants where idempotency_key = $6 limit 1`,
      [newId(), grant.accountId, grant.kind, grant.tokens, grant.reason, grant.idempotencyKey, grant.grantedBy],
    );
    return rows[0] && { grantId: rows[0].id, subscriptionId: rows[0].subscription_id };
  });
}

/** Whether a grant has been made, or tokens taken back, under this key; and whether within the life of such a key. */
export async function findGrant(db: Database, idempotencyKey: string): Promise<{ isRecent: boolean } | undefined> {
  const { rows } = await db.pool.query<{ isRecent: boolean }>(
    `select created_at > now() - interval '24 hours' as "isRecent" from token_grants where idempotency_key = $1`,
    [idempotencyKey],
  );
  return rows[0];
}
