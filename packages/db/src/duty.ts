/** Upkeep that any number of workers may attempt, and one at a time does. */
import type { Database } from './connect.ts';

/**
 * Runs `work` while this connection holds the duty's advisory lock; returns false at once where another process has it.
 * The lock goes with the connection, so a killed process never keeps it.
 */
export async function onDuty(db: Database, duty: string, work: () => Promise<void>): Promise<boolean> {
  const client = await db.pool.connect();
  let broken: Error | undefined;
  try {
    const { rows } = await client.query<{ locked: boolean }>(
      `select pg_try_advisory_lock(hashtextextended('tally:' || $1, 0)) as locked`,
      [duty],
    );
    if (rows[0]?.locked !== true) return false;
    try {
      await work();
    } finally {
      await client
        .query(`select pg_advisory_unlock(hashtextextended('tally:' || $1, 0))`, [duty])
        .catch((error: Error) => {
          broken = error;
        });
    }
    return true;
  } finally {
    client.release(broken);
  }
}
