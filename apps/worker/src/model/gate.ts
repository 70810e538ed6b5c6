/** The provider's state, shared by all workers: open, paced by its rate limit, or blocked until a probe is answered. */
import {
  type Config,
  isRedisUnavailable,
  type Logger,
  loadScript,
  maxId,
  minId,
  type RedisClient,
  runScript,
} from '@tally/core';
import { type Database, endAlarms, raiseAlarm } from '@tally/db';
import { announceProvider, type ProviderState, providerKeys, readProviderState } from '@tally/queue';
import type { ModelCallError } from './client.ts';
import { mayBePerRequest } from './faults.ts';

export type Admission =
  /** The call may be made; its outcome is reported with this epoch. */
  | { outcome: 'go'; epoch: number }
  /** Ask again after `delayMs`. `blocked`: the provider answers no calls at present. */
  | { outcome: 'wait'; why: 'paced' | 'blocked'; delayMs: number };

type GatedJob = { jobId: string; accountId: string };

export type ProviderGate = {
  /** Sends no Redis command while the provider is known to be open. */
  admit(job: GatedJob): Promise<Admission>;
  /** Reports an answered call, whatever the answer; sends no Redis command while the provider is known to be open. */
  answered(job: GatedJob, epoch: number): Promise<void>;
  /** Reports a failed call. Returns the wait if calls are paced or blocked; otherwise the failure is the call's own. */
  failed(
    job: GatedJob,
    epoch: number,
    error: ModelCallError,
  ): Promise<Extract<Admission, { outcome: 'wait' }> | undefined>;
  /** Reports that an admitted call was not made, so that another job can be the probe. */
  unused(job: GatedJob, epoch: number): Promise<void>;
  /** Drops the cached state, after a change by another worker. */
  invalidate(): void;
  state(): Promise<ProviderState>;
  /** Raises or ends the operator's alarm according to the state. */
  watch(): Promise<void>;
};

const load = (name: string) => loadScript(new URL(`lua/${name}.lua`, import.meta.url));
const scripts = { admit: load('admit'), report: load('report') };

// If a probe is not answered within this, because its worker died or the provider hangs, another one is made.
const probeMs = 5_000;
// Expiry of the state in Redis.
const keepMs = 24 * 3_600_000;

/** The outcome that each kind of failure has in report.lua. Other kinds concern the request: the provider works. */
const outcomeOf: Partial<Record<ModelCallError['kind'], (error: ModelCallError) => string>> = {
  rate_limited: () => 'rate_limited',
  operator: (error) => (mayBePerRequest(error) ? 'denied' : 'operator'),
  timeout: () => 'failed',
  unavailable: (error) => (wasNeverConnected(error) ? 'unreachable' : 'failed'),
};

const connectCodes = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT']);

/** No prompt can prevent a connection, while a connection that breaks may be a server crashed by one prompt. */
function wasNeverConnected(error: ModelCallError): boolean {
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause)
    if (connectCodes.has(String((cause as { code?: unknown }).code))) return true;
  return false;
}

export function createProviderGate(options: {
  db: Database;
  redis: RedisClient;
  keyPrefix: string;
  openai: Config['openai'];
  log: Logger;
}): ProviderGate {
  const { db, redis, keyPrefix, log } = options;
  const keys = providerKeys(keyPrefix, options.openai);
  // Unknown at the start: another worker may have been refused before.
  let isOpen = false;
  /** Whether Redis may hold failures, which the next answer clears. */
  let mayHaveFailures = true;

  async function ask({ jobId, accountId }: GatedJob): Promise<Admission> {
    const [answer, value] = (await runScript(
      redis,
      scripts.admit,
      [keys.state, keys.turns, keys.accounts],
      [jobId, probeMs, accountId],
    )) as ['OPEN' | 'GO' | 'PACED' | 'BLOCKED', number | undefined];
    if (answer === 'OPEN') isOpen = true;
    if (answer === 'OPEN' || answer === 'GO') return { outcome: 'go', epoch: value ?? 0 };
    const jitterMs = Math.random() * 50;
    return { outcome: 'wait', why: answer === 'PACED' ? 'paced' : 'blocked', delayMs: (value ?? 0) + jitterMs };
  }

  async function report(
    outcome: string,
    { jobId, accountId }: GatedJob,
    epoch: number,
    call: { retryAfterMs?: number | undefined; reason?: string } = {},
  ): Promise<{ mode: ProviderState['mode']; waitMs: number }> {
    const [mode, change, waitMs] = (await runScript(
      redis,
      scripts.report,
      [keys.state, keys.turns, keys.accounts, keys.failing, keys.refusals],
      [outcome, jobId, epoch, Math.round(call.retryAfterMs ?? -1), call.reason ?? '', keepMs, accountId],
    )) as [ProviderState['mode'], 0 | 1 | 2, number];
    isOpen = mode === 'open';
    if (outcome !== 'unused') mayHaveFailures = outcome !== 'answered';
    // Failures here must not lose the call's record: maintenance checks again, and so does the next refusal.
    if (change !== 0)
      await announceProvider(redis, keyPrefix).catch((err) => log.warn({ err }, 'the others hear of it later'));
    if (change === 1) {
      log.warn({ mode, outcome, reason: call.reason }, 'the state of the model’s provider has changed');
      await watch().catch((err) => log.warn({ err }, 'the alarm is raised or ended later'));
    }
    return { mode, waitMs };
  }

  /** Fails open if Redis is unavailable, so that no answer is lost: the next reserve waits for Redis anyway. */
  async function orIfRedisIsDown<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await work();
    } catch (err) {
      if (!isRedisUnavailable(err)) throw err;
      log.warn({ err }, 'the state of the model’s provider can’t be reached');
      return otherwise;
    }
  }

  async function watch(): Promise<void> {
    const state = await readProviderState(redis, keys.state);
    const subject = keys.id;
    if (state.mode === 'blocked') {
      const what = `the model’s provider answers nothing, and jobs wait: ${state.reason}`;
      if (await raiseAlarm(db, { kind: 'provider', subject, what }))
        log.error({ reason: state.reason }, `ALARM, ${what}`);
      return;
    }
    for (const _ of await endAlarms(db, { kind: 'provider', afterId: minId, lastId: maxId, stillActive: [] }))
      log.warn('the alarm is over: the model’s provider answers again');
  }

  return {
    admit: (job) =>
      isOpen
        ? Promise.resolve({ outcome: 'go', epoch: 0 })
        : orIfRedisIsDown(() => ask(job), { outcome: 'go', epoch: 0 }),
    async answered(job, epoch) {
      if (!isOpen || mayHaveFailures) await orIfRedisIsDown(() => report('answered', job, epoch), undefined);
    },
    async failed(job, epoch, error) {
      if (error.kind === 'aborted') {
        await this.unused(job, epoch);
        return undefined;
      }
      const outcome = outcomeOf[error.kind]?.(error);
      if (outcome === undefined) {
        // The provider works: it understood the request and rejected it.
        await this.answered(job, epoch);
        return undefined;
      }
      const { retryAfterMs } = error;
      const call = { retryAfterMs, reason: error.message };
      const fallback = { mode: 'open', waitMs: 1_000 } as const;
      const { mode, waitMs } = await orIfRedisIsDown(() => report(outcome, job, epoch, call), fallback);
      const delayMs = waitMs + Math.random() * 500;
      if (mode === 'blocked') return { outcome: 'wait', why: 'blocked', delayMs };
      return outcome === 'rate_limited' ? { outcome: 'wait', why: 'paced', delayMs } : undefined;
    },
    async unused(job, epoch) {
      if (!isOpen) await orIfRedisIsDown(() => report('unused', job, epoch), undefined);
    },
    invalidate: () => {
      isOpen = false;
      mayHaveFailures = true;
    },
    state: () => readProviderState(redis, keys.state),
    watch,
  };
}
