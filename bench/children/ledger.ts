/** Reserves and settles without model calls, at the maximum rate of one process. */
import { createBilling, reserve, settle } from '@tally/billing';
import { connectRedis, createLogger, loadConfig, newId, redisReady } from '@tally/core';
import { claimJobs, connectDatabase } from '@tally/db';
import { answerCalls } from './answer-calls.ts';

export type LedgerRun = { jobs: { jobId: string; accountId: string }[]; concurrency: number };
export type LedgerResult = { seconds: number; latenciesMs: number[] };

const inputTokens = 400;
const outputTokens = 30;
const leaseMs = 600_000;
const claimPage = 500;

const config = loadConfig();
const log = createLogger('ledger', 'warn');
const db = connectDatabase({ url: config.databaseUrl, name: 'ledger', log });
const redis = connectRedis(config.redisUrls, 'ledger', (err) => log.warn({ err }, 'redis'));
await redisReady(redis, 10_000);
const billing = createBilling({ db, redis, keyPrefix: config.redisKeyPrefix, log });

/** Reserves and settles once per job, which completes it. Jobs are claimed before the measurement starts. */
async function reserveAndSettle({ jobs, concurrency }: LedgerRun): Promise<LedgerResult> {
  for (let start = 0; start < jobs.length; start += claimPage)
    await claimJobs(
      db,
      jobs.slice(start, start + claimPage).map(({ jobId }) => ({ claimId: newId(), jobId, dispatch: 1, leaseMs })),
    );
  const waiting = jobs.values();
  const latenciesMs: number[] = [];
  const loop = async () => {
    for (const job of waiting) {
      const startedAt = performance.now();
      await reserveAndSettleOne(job);
      latenciesMs.push(performance.now() - startedAt);
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: concurrency }, loop));
  return { seconds: (performance.now() - startedAt) / 1_000, latenciesMs };
}

async function reserveAndSettleOne({ jobId, accountId }: LedgerRun['jobs'][number]): Promise<void> {
  const step = { accountId, jobId, step: 'answer', fence: 1 };
  const grant = await reserve(billing, { ...step, wantTokens: 900, minTokens: 500, leaseMs, ageMs: 0 });
  if (grant.outcome !== 'granted') throw new Error(`a reserve was answered ${grant.outcome}`);
  const { call } = await settle(billing, {
    call: {
      ...step,
      holdId: grant.holdId,
      subscriptionId: grant.subscriptionId,
      task: 'ask-question',
      model: 'none',
      inputTokens,
      cachedInputTokens: 0,
      outputTokens,
      reasoningTokens: 0,
      totalTokens: inputTokens + outputTokens,
      holdTokens: grant.tokens,
      billable: true,
      evidence: 'reported',
      outcome: 'answered',
      latencyMs: 0,
    },
    move: { jobId, fence: 1, status: 'completed', result: { answer: 'No model was asked.' } },
  });
  if (call?.verdict !== 'billed') throw new Error(`a settlement was ${call?.verdict}`);
}

answerCalls(
  { reserveAndSettle },
  {
    close: async () => {
      redis.disconnect();
      await db.close();
    },
  },
);
