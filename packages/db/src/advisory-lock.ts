/** Housekeeping that any number of workers may attempt, and one at a time does. */
import type { Database } from './connect.ts';

/**
 * Runs `work` under the duty's advisory lock; returns false at once where another process has it. A process must not
 * call it again for a duty that it is doing. The lock is a session's, so a killed process never keeps it.
 */
export async function withAdvisoryLock(db: Database, duty: string, work: () => Promise<void>): Promise<boolean> {
  const { rows } = await db.locks.query<{ locked: boolean }>(
    `select pg_try_advisory_lock(hashtextextended('tally:' || $1, 0)) as locked`,
    [duty],
  );
  if (rows[0]?.locked !== true) return false;
  try {
    await work();
  } finally {
    // A connection that breaks has let go of it.
    await db.locks
      .query(`select pg_advisory_unlock(hashtextextended('tally:' || $1, 0))`, [duty])
      .catch(() => undefined);
  }
  return true;
}
