/** Alarms: faults that need an operator. */
import { newId } from '@tally/core';
import type { Database } from '../../connect.ts';
import { and, asc, eq, gt, isNull, lt, lte, notInArray, sql } from '../../drizzle.ts';
import { pickColumns, type Selected } from '../../schema/columns.ts';
import { type AlarmKind, alarms } from '../../schema/index.ts';

const alarmColumns = pickColumns(alarms, ['kind', 'subject', 'what', 'raisedAt', 'lastSeenAt']);
export type Alarm = Selected<typeof alarmColumns>;

/** Raises an alarm, or renews the active one about the same subject; true where it is new. */
export async function raiseAlarm(db: Database, alarm: Pick<Alarm, 'kind' | 'subject' | 'what'>): Promise<boolean> {
  const id = newId();
  const [raised] = await db.orm
    .insert(alarms)
    .values({ id, ...alarm })
    .onConflictDoUpdate({
      target: [alarms.kind, alarms.subject],
      targetWhere: isNull(alarms.goneAt),
      set: { what: alarm.what, lastSeenAt: sql`now()` },
    })
    .returning({ id: alarms.id });
  return raised?.id === id;
}

/** Ends the alarms about subjects after `afterId` up to `lastId`, unless they are `stillActive`; returns the subjects. */
export async function endAlarms(
  db: Database,
  input: { kind: AlarmKind; afterId: string; lastId: string; stillActive: string[] },
): Promise<string[]> {
  const { kind, subject, goneAt } = alarms;
  const isInRange = and(gt(subject, input.afterId), lte(subject, input.lastId));
  const isPassed = and(isInRange, notInArray(subject, input.stillActive));
  const ended = await db.orm
    .update(alarms)
    .set({ goneAt: sql`now()` })
    .where(and(eq(kind, input.kind), isNull(goneAt), isPassed))
    .returning({ subject });
  return ended.map((alarm) => alarm.subject);
}

/** Ends the alarms of a kind that were not renewed for `afterMs`. */
export async function endStaleAlarms(db: Database, kind: AlarmKind, afterMs: number): Promise<void> {
  const isStale = lt(alarms.lastSeenAt, sql`now() - make_interval(secs => ${afterMs} / 1000.0)`);
  await db.orm
    .update(alarms)
    .set({ goneAt: sql`now()` })
    .where(and(eq(alarms.kind, kind), isNull(alarms.goneAt), isStale));
}

/** The active alarms, oldest first. */
export async function listAlarms(db: Database, limit: number): Promise<Alarm[]> {
  return db.orm
    .select(alarmColumns)
    .from(alarms)
    .where(isNull(alarms.goneAt))
    .orderBy(asc(alarms.raisedAt))
    .limit(limit);
}

/** How many alarms are active. */
export async function countAlarms(db: Database): Promise<number> {
  return db.orm.$count(alarms, isNull(alarms.goneAt));
}
