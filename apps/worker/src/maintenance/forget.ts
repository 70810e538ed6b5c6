/** Deletes data past its retention period, in short pages, until nothing is due or the turn is over. */
import { type Database, deleteOldConversations, type RetentionPage } from '@tally/db';
import { customerChat } from '@tally/tasks';
import type { WorkerServices } from '../services.ts';

const limit = 500;
// Housekeeping jobs run one at a time, and a shutdown waits for the running one: the rest follows a minute later.
const turnMs = 5_000;

/** Repeats a page until it finds no rows or the turn is over; returns the number of rows. */
export async function inPages(page: () => Promise<number>): Promise<number> {
  const until = performance.now() + turnMs;
  let rows = 0;
  for (let found = -1; found !== 0 && performance.now() < until; rows += found) found = await page();
  return rows;
}

/** Returns a housekeeping job that deletes one kind of data after the configured days; 0 keeps it for ever. */
export function retentionJob(
  what: string,
  daysOf: (retention: WorkerServices['retention']) => number,
  deletePage: (db: Database, page: RetentionPage) => Promise<number>,
) {
  return async ({ db, log, retention }: Pick<WorkerServices, 'db' | 'log' | 'retention'>): Promise<void> => {
    const days = daysOf(retention);
    if (days === 0) return;
    const rows = await inPages(() => deletePage(db, { days, limit }));
    if (rows > 0) log.info({ rows, days }, `${what} forgotten`);
  };
}

/** Deletes old conversations, except those with an open chat job. */
export const deleteExpiredConversations = (db: Database, page: RetentionPage): Promise<number> =>
  deleteOldConversations(db, { ...page, chatTask: customerChat.name });
