/** Periods that begin later, and leave the running one alone until then. */
import { eq, sql } from 'drizzle-orm';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { bookedPeriods } from '../../schema/index.ts';
import { type NewPeriod, startPeriodIn } from './subscriptions.ts';

export type Subscribed =
  | 'started'
  /** It begins later: until then the running period goes on. A period that had been booked before is replaced. */
  | 'booked'
  /** The id has started, or booked, a period before: nothing was done. */
  | 'repeated'
  /** The same, more than a day ago. */
  | 'repeated_late';

/** Starts a period, ends the running one and takes a booking back or, where it is to begin while that one still runs, books it. */
export async function startOrBookPeriod(db: Database, id: string, period: NewPeriod): Promise<Subscribed> {
  return inTransaction(db, async (client) => {
    // First the lock, then the look: a statement that waits for a lock reads what was there before it waited.
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
    await book(client, id, period);
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

async function book(client: Transaction, id: string, period: NewPeriod): Promise<void> {
  const { accountId, planId, tokens: periodTokens, renews, startsAt, endsAt, grantedBy: bookedBy } = period;
  const booking = { id, planId, periodTokens, renews, startsAt, endsAt, bookedBy };
  await client.orm
    .insert(bookedPeriods)
    .values({ accountId, ...booking })
    .onConflictDoUpdate({ target: bookedPeriods.accountId, set: { ...booking, createdAt: sql`now()` } });
}

/** Takes a booking back; false where there is none. */
export async function cancelBooking(db: Database, accountId: string): Promise<boolean> {
  const { rowCount } = await db.orm.delete(bookedPeriods).where(eq(bookedPeriods.accountId, accountId));
  return rowCount === 1;
}
