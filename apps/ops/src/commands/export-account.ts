/** `npm run ops -- export EMAIL > FILE`: exports all data of an account as JSON lines. */
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Database, exportAccount } from '@tally/db';
import { requireAccount } from '../database.ts';

/** Writes the account's lines to `out` with backpressure, and leaves it open. Returns the exit code. */
export async function exportTo(out: Writable, db: Database, emailOrId: string): Promise<number> {
  const account = await requireAccount(db, emailOrId);
  await pipeline(Readable.from(exportAccount(db, account.id)), out, { end: false });
  return 0;
}
