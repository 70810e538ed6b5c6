/** Plans, periods and grants: everything that adds tokens. */
import { newId } from '@tally/core';
import { and, asc, eq, sql } from 'drizzle-orm';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import type { RowOf } from '../../schema/columns.ts';
import { bookedPeriods, plans, subscriptions, tokenGrants } from '../../schema/index.ts';

export type Plan = typeof plans.$inferSelect;

export async function listPlans(db: Database): Promise<Plan[]> {
  return db.orm.select().from(plans).orderBy(asc(plans.tokens));
}

type Subscription = typeof subscriptions.$inferSelect;
type Grant = typeof tokenGrants.$inferSelect;
export type NewPeriod = Pick<Subscription, 'accountId' | 'planId' | 'renews' | 'startsAt' | 'endsAt'> &
  Pick<Grant, 'tokens' | 'grantedBy'> & { status: Exclude<Subscription['status'], 'ended'> };

/** Starts a period and ends the running one; unused top-ups move over. Returns the new subscription's id. */
export async function startPeriod(db: Database, period: NewPeriod): Promise<string> {
  const id = newId();
  await startPeriodIn(db.pool, id, period);
  return id;
}

/** The same under an id of the caller's, inside its transaction where it has one. An id that is there starts nothing. */
export async function startPeriodIn(client: Pick<Transaction, 'query'>, id: string, period: NewPeriod): Promise<void> {
  await client.query('select start_period($1, $2, $3, $4, $5, $6, $7, $8, $9)', [
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
}

/** Starts an account's next period where one is due, booked or renewed; harmless otherwise. */
export async function renewPeriod(db: Database, accountId: string): Promise<boolean> {
  const { rows } = await db.pool.query<{ renewed: boolean }>('select renew_period($1, $2) as renewed', [
    newId(),
    accountId,
  ]);
  return rows[0]?.renewed ?? false;
}

/** Ends the running period for good, where there is one: it pays for nothing more, and no other follows. */
export async function endSubscription(client: Transaction, accountId: string): Promise<void> {
  const { startsAt, endsAt } = subscriptions;
  await client.orm.delete(bookedPeriods).where(eq(bookedPeriods.accountId, accountId));
  await client.orm
    .update(subscriptions)
    .set({ status: 'inactive', renews: false, endsAt: sql`greatest(${startsAt}, least(${endsAt}, now()))` })
    .where(and(eq(subscriptions.accountId, accountId), subscriptions.isCurrent));
}

/** Accounts whose next period is due: the current one has ended and renews, or another one was booked. */
export async function listRenewalsDue(db: Database, limit: number): Promise<string[]> {
  const { rows } = await db.pool.query<Pick<RowOf<typeof subscriptions>, 'account_id'>>(
    `(select s.account_id from subscriptions s join accounts a on a.id = s.account_id and a.suspended_at is null
      where s.is_current and s.renews and s.status = 'active' and s.ends_at <= now() order by s.ends_at limit $1)
     union
     (select b.account_id from booked_periods b join accounts a on a.id = b.account_id and a.suspended_at is null
      where b.starts_at <= now() order by b.starts_at limit $1)`,
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
  grant: Pick<Grant, 'accountId' | 'tokens' | 'reason' | 'idempotencyKey' | 'grantedBy'> & {
    kind: Extract<Grant['kind'], 'top_up' | 'adjustment' | 'refund'>;
  },
): Promise<{ grantId: string; subscriptionId: string } | undefined> {
  return inTransaction(db, async (client) => {
    // Waits for a period that is just being started: tokens granted to the one it ends would be lost.
    await client.query('select from accounts where id = $1 for update', [grant.accountId]);
    const { rows } = await client.query<Pick<RowOf<typeof tokenGrants>, 'id' | 'subscription_id'>>(
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
  const rows = await db.orm
    .select({ isRecent: sql<boolean>`${tokenGrants.createdAt} > now() - interval '24 hours'` })
    .from(tokenGrants)
    .where(eq(tokenGrants.idempotencyKey, idempotencyKey));
  return rows[0];
}
