/** Alarms: what no program may mend, and an operator has to know. */
import { newId } from '@tally/core';
import type { Database } from '../connect.ts';

/**
 * `ledger`: a subscription's balance is not the sum of its rows.
 * `unpaid_usage`: a model uses more than is held for its calls, again and again, and nobody pays for it.
 */
export type AlarmKind = 'ledger' | 'unpaid_usage';

export type Alarm = { kind: AlarmKind; subject: string; what: string; raisedAt: Date; lastSeenAt: Date };

/** Raises an alarm, or says that it still holds; true where it is new. */
export async function raiseAlarm(
  db: Database,
  alarm: { kind: AlarmKind; subject: string; what: string },
): Promise<boolean> {
  const { rows } = await db.pool.query<{ is_new: boolean }>(
    `insert into alarms as a (id, kind, subject, what) values ($1, $2, $3, $4)
     on conflict (kind, subject) where gone_at is null do update set what = excluded.what, last_seen_at = now()
     returning a.id = $1 as is_new`,
    [newId(), alarm.kind, alarm.subject, alarm.what],
  );
  return rows[0]?.is_new ?? false;
}

/** Takes back the alarms about subjects from `afterId` up to `lastId` that are not among `stillThere`; returns the subjects. */
export async function endAlarms(
  db: Database,
  input: { kind: AlarmKind; afterId: string; lastId: string; stillThere: string[] },
): Promise<string[]> {
  const { rows } = await db.pool.query<{ subject: string }>(
    `update alarms set gone_at = now() where kind = $1 and gone_at is null and subject > $2 and subject <= $3
       and subject <> all($4::uuid[]) returning subject`,
    [input.kind, input.afterId, input.lastId, input.stillThere],
  );
  return rows.map(({ subject }) => subject);
}

/** The alarms that hold, oldest first. */
export async function listAlarms(db: Database, limit: number): Promise<Alarm[]> {
  const { rows } = await db.pool.query<Alarm>(
    `select kind, subject, what, raised_at as "raisedAt", last_seen_at as "lastSeenAt" from alarms
     where gone_at is null order by raised_at limit $1`,
    [limit],
  );
  return rows;
}

/** How many alarms hold. */
export async function countAlarms(db: Database): Promise<number> {
  const { rows } = await db.pool.query<{ count: number }>('select count(*) as count from alarms where gone_at is null');
  return rows[0]?.count ?? 0;
}
