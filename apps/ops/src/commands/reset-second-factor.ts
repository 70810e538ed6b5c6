/** `npm run ops -- reset-second-factor EMAIL`: for an account whose device and recovery codes are lost. */
import { type Database, disableSecondFactor, endSessions } from '@tally/db';
import { requireAccount } from '../database.ts';

/** Disables the second factor and ends every session. Returns the exit code. */
export async function resetSecondFactor(db: Database, email: string): Promise<number> {
  const account = await requireAccount(db, email);
  await disableSecondFactor(db, account.id);
  await endSessions(db, account.id, { endKeys: false });
  console.log(`${account.email} logs in with its password alone, until it turns a second factor on again.`);
  return 0;
}
