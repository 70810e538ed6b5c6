/** Forgetting what has been kept long enough: page after page, each short, until nothing is due or the turn is over. */
import { type Database, deleteOldConversations, type RetentionPage } from '@tally/db';
import { customerChat } from '@tally/tasks';
import type { WorkerServices } from '../services.ts';

const limit = 500;
// Housekeeping takes turns, and a worker that shuts down waits for the one that runs: the rest is due in a minute again.
const turnMs = 5_000;

/** Repeats a page until it finds nothing, or the turn is over; returns how many rows it found. */
export async function inPages(page: () => Promise<number>): Promise<number> {
  const until = performance.now() + turnMs;
  let rows = 0;
  for (let found = -1; found !== 0 && performance.now() < until; rows += found) found = await page();
  return rows;
}

/** Housekeeping that forgets one kind of thing after as many days as the settings say; 0 keep it for ever. */
export function forgetting(
  what: string,
  daysOf: (retention: WorkerServices['retention']) => number,
  forget: (db: Database, page: RetentionPage) => Promise<number>,
) {
  return async ({ db, log, retention }: Pick<WorkerServices, 'db' | 'log' | 'retention'>): Promise<void> => {
    const days = daysOf(retention);
    if (days === 0) return;
    const rows = await inPages(() => forget(db, { days, limit }));
    if (rows > 0) log.info({ rows, days }, `${what} forgotten`);
  };
}

/** Conversations that no job of the chat is still to answer in. */
export const forgetConversations = (db: Database, page: RetentionPage): Promise<number> =>
  deleteOldConversations(db, { ...page, chatTask: customerChat.name });
