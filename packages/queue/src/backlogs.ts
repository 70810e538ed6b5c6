/** Limits how many jobs an account may have queued. The count from Postgres is cached between submissions. */
import { group, TallyError } from '@tally/core';
import { countQueuedJobs, type Database } from '@tally/db';
import { LRUCache } from 'lru-cache';

/** `queued` is the count at `countedAt` plus this process' later inserts; `inserting` counts inserts in flight. */
type Backlog = { queued: number; inserting: number; countedAt: number };

export type Backlogs = {
  /**
   * Runs `insert` if the account is below its limit. Inserts of other processes within the last second are not counted.
   * @throws TallyError `rate_limited` where the backlog is full
   */
  submit<T>(accountId: string, insert: () => Promise<T>): Promise<T>;
};

const freshMs = 1_000;
// A client that retries at once must not cause a count of its full backlog each time.
const fullMs = 100;

/** `maxQueued` 0 means no limit. */
export function createBacklogs(db: Database, maxQueued: number): Backlogs {
  if (maxQueued === 0) return { submit: (_accountId, insert) => insert() };
  const count = group((accountIds: string[]) => countQueuedJobs(db, accountIds, maxQueued));
  const known = new LRUCache<string, Backlog>({ max: 10_000 });
  const isFull = ({ queued, inserting }: Backlog) => queued + inserting >= maxQueued;
  return {
    async submit(accountId, insert) {
      const backlog = known.get(accountId) ?? { queued: 0, inserting: 0, countedAt: Number.NEGATIVE_INFINITY };
      known.set(accountId, backlog);
      if (performance.now() - backlog.countedAt > (isFull(backlog) ? fullMs : freshMs)) {
        backlog.queued = await count(accountId);
        backlog.countedAt = performance.now();
      }
      if (isFull(backlog))
        throw new TallyError('rate_limited', `There are ${maxQueued} jobs queued already: wait until some have ended`, {
          retryAfterMs: freshMs,
        });
      backlog.inserting++;
      try {
        return await insert();
      } finally {
        backlog.inserting--;
        backlog.queued++;
      }
    },
  };
}
