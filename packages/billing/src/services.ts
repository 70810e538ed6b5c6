/** Builds the services that the ledger's verbs need, once per process. */
import { group, type Logger, type RedisClient } from '@tally/core';
import {
  type Database,
  deleteHolds,
  type Intent,
  type IntentOutcome,
  insertHolds,
  isUnavailable,
  readStandings,
  type Settlement,
  type SettleOutcome,
  type Standing,
  settle,
} from '@tally/db';
import { LRUCache } from 'lru-cache';

// How long a waiting account asks only Redis before it writes to Postgres again.
const waitMemoryMs = 2_000;
const waitMemoryAccounts = 10_000;

export type Billing = {
  db: Database;
  redis: RedisClient;
  keyPrefix: string;
  log: Logger;
  /** Concurrent writes of the same kind share one statement. */
  writes: {
    insertHold: (intent: Intent) => Promise<IntentOutcome>;
    deleteHold: (holdId: string) => Promise<void>;
    settle: (settlement: Settlement) => Promise<SettleOutcome>;
  };
  readStanding: (accountId: string) => Promise<Standing>;
  /** Subscription ids of accounts that got `wait` recently and for a while ask only Redis. */
  waiting: LRUCache<string, string>;
};

/** Builds the services; the caller owns the connections. */
export function createBilling(options: { db: Database; redis: RedisClient; keyPrefix: string; log: Logger }): Billing {
  const { db } = options;
  // While Postgres is unavailable, single retries would fail as well, only more slowly.
  const retryAlone = (error: unknown) => !isUnavailable(error);
  return {
    ...options,
    writes: {
      insertHold: group((intents: Intent[]) => insertHolds(db, intents), { retryAlone }),
      deleteHold: group(
        async (holdIds: string[]) => {
          await deleteHolds(db, holdIds);
          return holdIds.map(() => undefined);
        },
        { retryAlone },
      ),
      settle: group((settlements: Settlement[]) => settle(db, settlements), { retryAlone, maxBatch: 64 }),
    },
    readStanding: group((accountIds: string[]) => readStandings(db, accountIds), { retryAlone }),
    waiting: new LRUCache({ max: waitMemoryAccounts, ttl: waitMemoryMs }),
  };
}
