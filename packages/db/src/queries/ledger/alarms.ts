/** Alarms: what no program may mend, and an operator has to know. */
import { newId } from '@tally/core';
import { and, asc, eq, gt, isNull, lt, lte, notInArray, sql } from 'drizzle-orm';
import type { Database } from '../../connect.ts';
import { pickColumns, type Selected } from '../../schema/columns.ts';
import { type AlarmKind, alarms } from '../../schema/index.ts';

const alarmColumns = pickColumns(alarms, ['kind', 'subject', 'what', 'raisedAt', 'lastSeenAt']);
export type Alarm = Selected<typeof alarmColumns>;

/** Raises an alarm, or says that it still holds; true where it is new. */
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

/** Takes back the alarms about subjects from `afterId` up to `lastId` that are not among `stillThere`; returns the subjects. */
export async function endAlarms(
  db: Database,
  input: { kind: AlarmKind; afterId: string; lastId: string; stillThere: string[] },
): Promise<string[]> {
  const { kind, subject, goneAt } = alarms;
  const isPassed = and(gt(subject, input.afterId), lte(subject, input.lastId), notInArray(subject, input.stillThere));
  const ended = await db.orm
    .update(alarms)
    .set({ goneAt: sql`now()` })
    .where(and(eq(kind, input.kind), isNull(goneAt), isPassed))
    .returning({ subject });
  return ended.map((alarm) => alarm.subject);
}

/** Takes back the alarms of a kind that nobody has raised again for so long. */
export async function endStaleAlarms(db: Database, kind: AlarmKind, afterMs: number): Promise<void> {
  const isStale = lt(alarms.lastSeenAt, sql`now() - make_interval(secs => ${afterMs} / 1000.0)`);
  await db.orm
    .update(alarms)
    .set({ goneAt: sql`now()` })
    .where(and(eq(alarms.kind, kind), isNull(alarms.goneAt), isStale));
}

/** The alarms that hold, oldest first. */
export async function listAlarms(db: Database, limit: number): Promise<Alarm[]> {
  return db.orm
    .select(alarmColumns)
    .from(alarms)
    .where(isNull(alarms.goneAt))
    .orderBy(asc(alarms.raisedAt))
    .limit(limit);
}

/** How many alarms hold. */
export async function countAlarms(db: Database): Promise<number> {
  return db.orm.$count(alarms, isNull(alarms.goneAt));
}
