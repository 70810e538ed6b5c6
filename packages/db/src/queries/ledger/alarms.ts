/** Alarms: what no program may mend, and an operator has to know. */
import { newId } from '@tally/core';
import type { Database } from '../../connect.ts';

/**
 * `ledger`: a subscription's balance is not the sum of its rows.
 * `cap_ignored`: a model's server gives more output than it is allowed.
 * `model_request`: a model's server does not understand or allow a request of ours.
 * `provider`: the model's provider answers nothing: its key, a bill, the model's name, or an outage.
 * `unpaid_usage`: a model uses more than is held for its calls, again and again, and accounts can't pay for it.
 */
export type AlarmKind = 'ledger' | 'cap_ignored' | 'model_request' | 'provider' | 'unpaid_usage';

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

/** Takes back the alarms of a kind that nobody has raised again for so long. */
export async function endStaleAlarms(db: Database, kind: AlarmKind, afterMs: number): Promise<void> {
  await db.pool.query(
    `update alarms set gone_at = now()
     where kind = $1 and gone_at is null and last_seen_at < now() - make_interval(secs => $2 / 1000.0)`,
    [kind, afterMs],
  );
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
