/** Plans and periods: starting, booking, renewing and ending them. */
import { newId } from '@tally/core';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { and, asc, eq, sql } from '../../drizzle.ts';
import type { RowOf } from '../../schema/columns.ts';
import { bookedPeriods, plans, subscriptions, type tokenGrants } from '../../schema/index.ts';

export type Plan = typeof plans.$inferSelect;

/** All plans, the smallest first. */
export async function listPlans(db: Database): Promise<Plan[]> {
  return db.orm.select().from(plans).orderBy(asc(plans.tokens));
}

type Subscription = typeof subscriptions.$inferSelect;
export type NewPeriod = Pick<Subscription, 'accountId' | 'planId' | 'renews' | 'startsAt' | 'endsAt'> &
  Pick<typeof tokenGrants.$inferSelect, 'tokens' | 'grantedBy'> & { status: Exclude<Subscription['status'], 'ended'> };

/** Starts a period and ends the running one, whose unused top-ups move over. Returns the new subscription's id. */
export async function startPeriod(db: Database, period: NewPeriod): Promise<string> {
  const id = newId();
  await startPeriodIn(db.pool, id, period);
  return id;
}

/** {@link startPeriod} with a given id, inside a transaction where there is one. Does nothing where the id exists. */
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

export type Subscribed =
  | 'started'
  /** It begins later; the running period goes on until then. It replaces an earlier booking. */
  | 'booked'
  /** A period with this id was started or booked before; nothing was done. */
  | 'repeated'
  /** As `repeated`, more than 24 hours ago. */
  | 'repeated_late';

/** Starts a period, which ends the running one and cancels a booking; books it where it begins while that one runs. */
export async function startOrBookPeriod(db: Database, id: string, period: NewPeriod): Promise<Subscribed> {
  return inTransaction(db, async (client) => {
    // A statement of its own: one that waits for a lock reads what was there before it waited.
    await client.query('select from accounts where id = $1 for update', [period.accountId]);
    const { rows } = await client.query<{ isLate: boolean }>(
      `select created_at < now() - interval '24 hours' as "isLate" from subscriptions where id = $1
       union all select created_at < now() - interval '24 hours' from booked_periods where id = $1`,
      [id],
    );
    const [earlier] = rows;
    if (earlier !== undefined) return earlier.isLate ? 'repeated_late' : 'repeated';
    const isLater = period.startsAt > new Date() && period.status === 'active';
    if (!isLater || !(await isRunning(client, period.accountId))) {
      await client.orm.delete(bookedPeriods).where(eq(bookedPeriods.accountId, period.accountId));
      await startPeriodIn(client, id, period);
      return 'started';
    }
    const { accountId, planId, tokens: periodTokens, renews, startsAt, endsAt, grantedBy: bookedBy } = period;
    const booking = { id, planId, periodTokens, renews, startsAt, endsAt, bookedBy };
    await client.orm
      .insert(bookedPeriods)
      .values({ accountId, ...booking })
      .onConflictDoUpdate({ target: bookedPeriods.accountId, set: { ...booking, createdAt: sql`now()` } });
    return 'booked';
  });
}

async function isRunning(client: Transaction, accountId: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `select from subscriptions where account_id = $1 and is_current and status = 'active'
       and starts_at <= now() and (ends_at > now() or renews)`,
    [accountId],
  );
  return rowCount === 1;
}

/** Cancels a booked period; false where there is none. */
export async function cancelBooking(db: Database, accountId: string): Promise<boolean> {
  const { rowCount } = await db.orm.delete(bookedPeriods).where(eq(bookedPeriods.accountId, accountId));
  return rowCount === 1;
}

/** Starts an account's next period where one is due, booked or renewed; false where none was. */
export async function renewPeriod(db: Database, accountId: string): Promise<boolean> {
  const { rows } = await db.pool.query<{ renewed: boolean }>('select renew_period($1, $2) as renewed', [
    newId(),
    accountId,
  ]);
  return rows[0]?.renewed ?? false;
}

/** Ends the running period and its renewal, and cancels a booked one. */
export async function endSubscription(client: Transaction, accountId: string): Promise<void> {
  const { startsAt, endsAt } = subscriptions;
  await client.orm.delete(bookedPeriods).where(eq(bookedPeriods.accountId, accountId));
  await client.orm
    .update(subscriptions)
    .set({ status: 'inactive', renews: false, endsAt: sql`greatest(${startsAt}, least(${endsAt}, now()))` })
    .where(and(eq(subscriptions.accountId, accountId), subscriptions.isCurrent));
}

/** Ids of accounts whose next period is due: the current one has ended and renews, or a booked one begins. */
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

/** Moves top-ups that ended periods kept for their last holds to the next period; returns how many periods had them. */
export async function carryOverRests(db: Database, limit: number): Promise<number> {
  const due = await db.pool.query<{ id: string }>(
    `select s.id from subscriptions s where not s.is_current and not s.carried_over
       and not exists (select from token_holds h where h.subscription_id = s.id) order by s.id limit $1`,
    [limit],
  );
  let moved = 0;
  // A transaction each: one for all would lock the next periods' balances in no fixed order.
  for (const { id } of due.rows) {
    const { rows } = await db.pool.query<{ is_moved: boolean }>('select carry_over_rest($1) as is_moved', [id]);
    if (rows[0]?.is_moved) moved++;
  }
  return moved;
}
