/** The services of a worker process, and its time and token limits. */
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
  /** Called when a Redis connection breaks. */
  onRedisError: (err: Error) => void;
  claim: (request: ClaimRequest) => Promise<Claim>;
  searchPassages: (query: PassageQuery) => Promise<Passage[]>;
  /** Accounts recently refused for lack of tokens: the balance is checked before any work on their next jobs. */
  refusedAccounts: LRUCache<string, true>;
  readPrompt: (accountId: string) => Promise<string | undefined>;
  pages: PageReaders;
  /** See {@link createShares}. */
  takePageShare: (accountId: string) => (() => void) | undefined;
  extractionPool: ExtractionPool;
  addressPolicy: AddressPolicy;
  graph: GraphClient;
  /** Meta's rate limits for each Instagram account, counted across all workers. */
  sendRates: Record<'comment' | 'person', Pick<RateLimiterAbstract, 'consume'>>;
  sealKeys: SealKeys;
  retention: Config['retention'];
  running: RunningAttempts;
};

/** A claimed job and its task. */
export type ClaimedJob = Extract<Claim, { verdict: 'claimed' }> & { jobId: string; task: AnyTask };

/** The attempts that run in this process by job id, for lease renewal and shutdown. */
export type RunningAttempts = Map<string, { fence: number; abort: AbortController }>;

/** Lifetime of a claim without renewal; with BullMQ's own lock it determines how long recovery from a kill takes. */
export const jobLeaseMs = 8_000;
export const jobLeaseRenewalMs = 2_500;
/** Delay before a queue is polled again after its connection broke; BullMQ's default is 15 s. */
export const queueRetryMs = 200;
/** How long an account that was refused for lack of tokens is remembered. */
export const refusedAccountTtlMs = 60_000;
/** How much longer than its model call a hold's lease lasts: time to settle. */
export const holdLeaseMarginMs = 5_000;
/** Unbilled tokens of unusable answers per account and day; beyond that, unusable answers are billed like others. */
export const maxUnbilledTokensADay = 20_000;
/** How long running jobs may continue after SIGTERM before they are snoozed. */
export const drainMs = 15_000;
/** The process exits after this, even if jobs still run. */
export const shutdownLimitMs = 25_000;
