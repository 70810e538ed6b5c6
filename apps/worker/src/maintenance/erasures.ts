/** Finishes interrupted erasures of accounts, and removes what jobs wrote while their account was erased. */
import { endErasure, eraseRows, listErasures } from '@tally/db';
import type { WorkerServices } from '../services.ts';

const accountsAtOnce = 50;
const turnMs = 5_000;
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
