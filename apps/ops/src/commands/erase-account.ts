/** `npm run ops -- erase EMAIL [--dry-run]`: closes an account and removes its data; the ledger is kept. */
import { hashUnknownPassword } from '@tally/core';
import { beginErasure, countErasable, type Database, eraseRows, type Removed } from '@tally/db';
import { requireAccount } from '../database.ts';

/** Erases, or prints what would be removed. Repeating it by id resumes an erasure. Returns the exit code. */
export async function eraseAccount(
  db: Database,
  emailOrId: string,
  { dryRun = false }: { dryRun?: boolean } = {},
): Promise<number> {
  const { id, email } = await requireAccount(db, emailOrId);
  if (dryRun) {
    console.log(`Would erase ${email} (${id}) and remove:\n${toLines(await countErasable(db, id))}`);
    return 0;
  }
  const start = await beginErasure(db, { accountId: id, passwordHash: await hashUnknownPassword() });
  if (start.outcome !== 'begun') {
    console.error(
      start.outcome === 'last_operator'
        ? `${email} is the last operator: make somebody else one first`
        : `${email} is gone`,
    );
    return 1;
  }
  console.log(`Nobody can log in as ${email} (${id}) since ${start.erasedAt.toISOString()}.`);
  const { removed, cancelledJobs, isClean } = await eraseRows(db, id);
  console.log(`Removed:\n${toLines(removed)}`);
  if (cancelledJobs > 0) console.log(`${cancelledJobs} queued jobs were cancelled.`);
  console.log(
    isClean
      ? 'Nothing is left; workers look again for what requests under way may still write.'
      : 'Something is still being used, by a running job for one: workers remove it within minutes of its end.',
  );
  return 0;
}

function toLines(rows: Removed): string {
  const lines = Object.entries(rows).map(([table, count]) => `  ${table}: ${count}`);
  return lines.length === 0 ? '  nothing' : lines.join('\n');
}
