/** `npm run ops -- alarms`: shows faults that must not be repaired by a program. */
import { listAlarms } from '@tally/db';
import type { OpsServices } from '../services.ts';

const maxShown = 1_000;

/** Prints the active alarms. Returns the exit code: 1 if there is any. */
export async function showAlarms({ db }: OpsServices): Promise<number> {
  const alarms = await listAlarms(db, maxShown);
  for (const { kind, subject, what, raisedAt } of alarms)
    console.log(`${raisedAt.toISOString()}  ${kind}  ${subject}  ${what}`);
  console.log(alarms.length === 0 ? 'No alarms.' : `${alarms.length} alarms. See docs/reliability.md.`);
  return alarms.length === 0 ? 0 : 1;
}
