/** Periods that begin later, and leave the running one alone until then. */
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
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
      await client.query('delete from booked_periods where account_id = $1', [period.accountId]);
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
  await client.query(
    `insert into booked_periods (account_id, id, plan_id, period_tokens, renews, starts_at, ends_at, booked_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (account_id) do update set id = excluded.id, plan_id = excluded.plan_id,
       period_tokens = excluded.period_tokens, renews = excluded.renews, starts_at = excluded.starts_at,
       ends_at = excluded.ends_at, booked_by = excluded.booked_by, created_at = now()`,
    [
      period.accountId,
      id,
      period.planId,
      period.tokens,
      period.renews,
      period.startsAt,
      period.endsAt,
      period.grantedBy,
    ],
  );
}

/** Takes a booking back; false where there is none. */
export async function cancelBooking(db: Database, accountId: string): Promise<boolean> {
  const { rowCount } = await db.pool.query('delete from booked_periods where account_id = $1', [accountId]);
  return rowCount === 1;
}
