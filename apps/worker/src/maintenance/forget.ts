/** Deletes what is past its retention period, and the rest of erased accounts, in short pages and turns. */
import {
  type Database,
  deleteOldConversations,
  endErasure,
  eraseRows,
  listErasures,
  type RetentionPage,
} from '@tally/db';
import { customerChat } from '@tally/tasks';
import type { WorkerServices } from '../services.ts';

const limit = 500;
const accountsAtOnce = 50;
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

// A request authenticated before the erasure may still be writing; no statement takes longer than a minute.
const graceMs = 10 * 60_000;

/** Continues every unfinished erasure, within the time of one turn. */
export async function continueErasures({ db, log }: Pick<WorkerServices, 'db' | 'log'>): Promise<void> {
  const until = performance.now() + turnMs;
  for (const accountId of await listErasures(db, accountsAtOnce)) {
    const limitMs = until - performance.now();
    if (limitMs <= 0) return;
    const { removed, cancelledJobs, isClean } = await eraseRows(db, accountId, { limitMs });
    if (Object.keys(removed).length > 0)
      log.info({ account_id: accountId, removed, cancelled_jobs: cancelledJobs }, 'rows of an erased account removed');
    if (isClean && (await endErasure(db, accountId, graceMs))) log.info({ account_id: accountId }, 'account erased');
  }
}
