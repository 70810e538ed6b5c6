/** What the ledger's verbs need, built once per process. */
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

// How long an account that was told to wait asks Redis alone, before Postgres is looked at again.
const waitMemoryMs = 2_000;
const waitMemoryAccounts = 10_000;

export type Billing = {
  db: Database;
  redis: RedisClient;
  keyPrefix: string;
  log: Logger;
  /** Writes of a kind that are under way at the same time share one statement. */
  writes: {
    insertHold: (intent: Intent) => Promise<IntentOutcome>;
    deleteHold: (holdId: string) => Promise<void>;
    settle: (settlement: Settlement) => Promise<SettleOutcome>;
  };
  readStanding: (accountId: string) => Promise<Standing>;
  /** Accounts that were told to wait a moment ago, and for a while ask Redis alone; with their subscription. */
  waiting: LRUCache<string, string>;
};

/** Builds the services; connections belong to the caller. */
export function createBilling(options: { db: Database; redis: RedisClient; keyPrefix: string; log: Logger }): Billing {
  const { db } = options;
  // While Postgres is away each row alone would fail as well, only more slowly.
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
