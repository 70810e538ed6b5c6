/** Periods that begin later, and leave the running one alone until then. */
import { type Database, inTransaction, type Transaction } from '../connect.ts';
import { type NewPeriod, startPeriodIn } from './subscriptions.ts';

export type Subscribed =
  | 'started'
  /** It begins later: until then the running period goes on. A period that had been booked before is replaced. */
  | 'booked'
  /** The id has started, or booked, a period before: nothing was done. */
  | 'repeated'
  /** The same, more than a day ago. */
  | 'repeated_late';

/** Starts a period and ends the running one or, where it is to begin while that one still runs, books it. */
export async function startOrBookPeriod(db: Database, id: string, period: NewPeriod): Promise<Subscribed> {
  return inTransaction(db, async (client) => {
    const { rows } = await client.query<{ isRunning: boolean; earlierAt: Date | null; isLate: boolean | null }>(
      `select earlier.created_at as "earlierAt", earlier.created_at < now() - interval '24 hours' as "isLate",
         exists (select from subscriptions s where s.account_id = a.id and s.is_current and s.status = 'active'
           and s.starts_at <= now() and (s.ends_at > now() or s.renews)) as "isRunning"
       from accounts a left join lateral (
         select created_at from subscriptions where id = $2
         union all select created_at from booked_periods where id = $2 limit 1) earlier on true
       where a.id = $1 for update of a`,
      [period.accountId, id],
    );
    const [account] = rows;
    if (account?.earlierAt) return account.isLate ? 'repeated_late' : 'repeated';
    const isLater = period.startsAt > new Date() && period.status === 'active';
    if (!isLater || account?.isRunning !== true) {
      await startPeriodIn(client, id, period);
      return 'started';
    }
    await book(client, id, period);
    return 'booked';
  });
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
