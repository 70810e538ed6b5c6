/** How many jobs an account may have queued. Counted from its rows, but not for every submission. */
import { group, TallyError } from '@tally/core';
import { countQueuedJobs, type Database } from '@tally/db';
import { LRUCache } from 'lru-cache';

/** `queued` as of `countedAt` and what this process added since; `underWay` is on its way to Postgres. */
type Backlog = { queued: number; underWay: number; countedAt: number };

export type Backlogs = {
  /**
   * Runs a submission where the account has room for one more. What other processes add within a second may come on top.
   * @throws TallyError `rate_limited` where it has none
   */
  submit<T>(accountId: string, insert: () => Promise<T>): Promise<T>;
};

const freshMs = 1_000;
// Who is told to wait and asks again at once must not have a full backlog counted every time.
const fullMs = 100;

/** Builds the limit; `maxQueued` 0 means none. */
export function createBacklogs(db: Database, maxQueued: number): Backlogs {
  if (maxQueued === 0) return { submit: (_accountId, insert) => insert() };
  const count = group((accountIds: string[]) => countQueuedJobs(db, accountIds, maxQueued));
  const known = new LRUCache<string, Backlog>({ max: 10_000 });
  const isFull = ({ queued, underWay }: Backlog) => queued + underWay >= maxQueued;
  return {
    async submit(accountId, insert) {
      const backlog = known.get(accountId) ?? { queued: 0, underWay: 0, countedAt: Number.NEGATIVE_INFINITY };
      known.set(accountId, backlog);
      if (performance.now() - backlog.countedAt > (isFull(backlog) ? fullMs : freshMs)) {
        backlog.queued = await count(accountId);
        backlog.countedAt = performance.now();
      }
      if (isFull(backlog))
        throw new TallyError('rate_limited', `There are ${maxQueued} jobs queued already: wait until some have ended`, {
          retryAfterMs: freshMs,
        });
      backlog.underWay++;
      try {
        return await insert();
      } finally {
        backlog.underWay--;
        backlog.queued++;
      }
    },
  };
}
