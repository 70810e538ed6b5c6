/** `npm run ops -- alarms`: what no program may mend. */
import { listAlarms } from '@tally/db';
import type { OpsServices } from './services.ts';

const maxShown = 1_000;

/** Prints the alarms that hold; 1 where there is one. */
export async function showAlarms({ db }: OpsServices): Promise<number> {
  const alarms = await listAlarms(db, maxShown);
  for (const { kind, subject, what, raisedAt } of alarms)
    console.log(`${raisedAt.toISOString()}  ${kind}  ${subject}  ${what}`);
  console.log(alarms.length === 0 ? 'No alarms.' : `${alarms.length} alarms. See docs/reliability.md.`);
  return alarms.length === 0 ? 0 : 1;
}
