/** One state for all workers of how the provider takes calls: paced by its rate limit, or blocked until a probe is answered. */
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
import { mayBeTheRequests } from './faults.ts';

export type Admission =
  /** The call may be made; to be reported with its epoch. */
  | { outcome: 'go'; epoch: number }
  /** Not now: come back after so long. `blocked`: nothing is answered at all for the moment. */
  | { outcome: 'wait'; why: 'paced' | 'blocked'; delayMs: number };

type GatedJob = { jobId: string; accountId: string };

export type ProviderGate = {
  /** Costs nothing while the provider is known to be open. */
  admit(job: GatedJob): Promise<Admission>;
  /** Tells that a call was answered, in whatever form; costs nothing while the provider is known to be open. */
  answered(job: GatedJob, epoch: number): Promise<void>;
  /** Tells why a call was not; what the caller is to wait for, if it is not its own fault. */
  failed(
    job: GatedJob,
    epoch: number,
    error: ModelCallError,
  ): Promise<Extract<Admission, { outcome: 'wait' }> | undefined>;
  /** Tells that the admitted call was not made, so that another job may be the probe. */
  unused(job: GatedJob, epoch: number): Promise<void>;
  /** To be called when the state has changed elsewhere. */
  forget(): void;
  state(): Promise<ProviderState>;
  /** Raises or ends the operator's alarm, as the state is. */
  watch(): Promise<void>;
};

const load = (name: string) => loadScript(new URL(`lua/${name}.lua`, import.meta.url));
const scripts = { admit: load('admit'), report: load('report') };

// A probe that has not been answered by then, for its worker died or the provider hangs, is followed by another one.
const probeMs = 5_000;
// A state that has not been read for so long is forgotten.
const keepMs = 24 * 3_600_000;

/** How the report script is told of each kind of failure; the others are judgements on the request, by a provider that works. */
const outcomeOf: Partial<Record<ModelCallError['kind'], (error: ModelCallError) => string>> = {
  rate_limited: () => 'rate_limited',
  operator: (error) => (mayBeTheRequests(error) ? 'denied' : 'operator'),
  timeout: () => 'failed',
  unavailable: (error) => (wasNeverConnected(error) ? 'unreachable' : 'failed'),
};

const connectCodes = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT']);

/** No prompt does that; a connection that was made and then broke may be a server that one prompt has crashed. */
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
  // Another worker may have been refused before this one was started.
  let isOpen = false;
  /** Whether failures may be on record, which an answer takes back. */
  let isTroubled = true;

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
    const [mode, news, waitMs] = (await runScript(
      redis,
      scripts.report,
      [keys.state, keys.turns, keys.accounts, keys.failing, keys.refusals],
      [outcome, jobId, epoch, Math.round(call.retryAfterMs ?? -1), call.reason ?? '', keepMs, accountId],
    )) as [ProviderState['mode'], 0 | 1 | 2, number];
    isOpen = mode === 'open';
    if (outcome !== 'unused') isTroubled = outcome !== 'answered';
    // A call's record must not be lost over these: maintenance looks again, and the next refusal tells, too.
    if (news !== 0)
      await announceProvider(redis, keyPrefix).catch((err) => log.warn({ err }, 'the others hear of it later'));
    if (news === 1) {
      log.warn({ mode, outcome, reason: call.reason }, 'the state of the model’s provider has changed');
      await watch().catch((err) => log.warn({ err }, 'the alarm is raised or ended later'));
    }
    return { mode, waitMs };
  }

  /** Redis being away closes no gate, and loses no answer: the reserve that comes next waits for it. */
  async function unlessRedisIsAway<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
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
    for (const _ of await endAlarms(db, { kind: 'provider', afterId: minId, lastId: maxId, stillThere: [] }))
      log.warn('the alarm is over: the model’s provider answers again');
  }

  return {
    admit: (job) =>
      isOpen
        ? Promise.resolve({ outcome: 'go', epoch: 0 })
        : unlessRedisIsAway(() => ask(job), { outcome: 'go', epoch: 0 }),
    async answered(job, epoch) {
      if (!isOpen || isTroubled) await unlessRedisIsAway(() => report('answered', job, epoch), undefined);
    },
    async failed(job, epoch, error) {
      if (error.kind === 'aborted') {
        await this.unused(job, epoch);
        return undefined;
      }
      const outcome = outcomeOf[error.kind]?.(error);
      if (outcome === undefined) {
        // It was understood and judged: the provider works.
        await this.answered(job, epoch);
        return undefined;
      }
      const { retryAfterMs } = error;
      const call = { retryAfterMs, reason: error.message };
      const away = { mode: 'open', waitMs: 1_000 } as const;
      const { mode, waitMs } = await unlessRedisIsAway(() => report(outcome, job, epoch, call), away);
      const delayMs = waitMs + Math.random() * 500;
      if (mode === 'blocked') return { outcome: 'wait', why: 'blocked', delayMs };
      return outcome === 'rate_limited' ? { outcome: 'wait', why: 'paced', delayMs } : undefined;
    },
    async unused(job, epoch) {
      if (!isOpen) await unlessRedisIsAway(() => report('unused', job, epoch), undefined);
    },
    forget: () => {
      isOpen = false;
      isTroubled = true;
    },
    state: () => readProviderState(redis, keys.state),
    watch,
  };
}
