/** What a worker process is made of, and the limits it works within. */
import type { Billing } from '@tally/billing';
import type { Config, Logger, RedisClient, SealKeys } from '@tally/core';
import type { Claim, ClaimRequest, Database, Passage, PassageQuery } from '@tally/db';
import type { AddressPolicy } from '@tally/extraction';
import type { Queues } from '@tally/queue';
import type { AnyTask } from '@tally/tasks';
import type { LRUCache } from 'lru-cache';
import type { RateLimiterAbstract } from 'rate-limiter-flexible';
import type { ExtractionPool } from './extraction-pool/pool.ts';
import type { GraphClient } from './instagram/graph-client.ts';
import type { ModelClient } from './model/client.ts';
import type { ProviderGate } from './model/gate.ts';
import type { Traits } from './model/traits.ts';
import type { PageReaders } from './pages/page-readers.ts';

export type WorkerServices = {
  db: Database;
  redis: RedisClient;
  billing: Billing;
  queues: Queues;
  model: ModelClient;
  traits: Traits;
  gate: ProviderGate;
  keyPrefix: string;
  log: Logger;
  /** Hears of connections that break. */
  onRedisError: (err: Error) => void;
  claim: (request: ClaimRequest) => Promise<Claim>;
  searchPassages: (query: PassageQuery) => Promise<Passage[]>;
  /** Accounts that could not pay for a call a moment ago: their next jobs are looked at before any work is done for them. */
  refused: LRUCache<string, true>;
  readPrompt: (accountId: string) => Promise<string | undefined>;
  pages: PageReaders;
  /** See {@link createShares}. */
  takePageShare: (accountId: string) => (() => void) | undefined;
  extractionPool: ExtractionPool;
  addressPolicy: AddressPolicy;
  graph: GraphClient;
  /** Meta's limits, counted for each Instagram account over all workers. */
  sendRates: Record<'comment' | 'person', Pick<RateLimiterAbstract, 'consume'>>;
  sealKeys: SealKeys;
  retention: Config['retention'];
  running: RunningAttempts;
};

/** A job that this worker has claimed, and its task. */
export type ClaimedJob = Extract<Claim, { verdict: 'claimed' }> & { jobId: string; task: AnyTask };

/** The attempts that run in this process, for lease renewal and shutdown. */
export type RunningAttempts = Map<string, { fence: number; abort: AbortController }>;

/** How long a claim lives without renewal: with BullMQ's own lock, what recovery from a kill takes. */
export const jobLeaseMs = 8_000;
export const jobLeaseRenewalMs = 2_500;
/** How soon a queue is asked again after its connection broke; BullMQ would wait for 15 s. */
export const queueRetryMs = 200;
/** How long an account that could not pay is looked at first. */
export const refusedMemoryMs = 60_000;
/** How much longer than its model call a hold lives: time to settle. */
export const holdLeaseMarginMs = 5_000;
/** Tokens of unusable answers that are not billed, an account and day; beyond that they are billed as others are. */
export const maxUnbilledTokensADay = 20_000;
/** How long running jobs may go on after SIGTERM before they are handed back. */
export const drainMs = 15_000;
/** After that the process ends, whatever happens. */
export const shutdownLimitMs = 25_000;
