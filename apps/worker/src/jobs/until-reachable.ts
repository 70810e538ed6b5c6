/** Retries work until Postgres and Redis are reachable, so that an outage delays jobs and fails none. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isRedisUnavailable, isUnreachable, type Logger } from '@tally/core';
import { isSerializationConflict, isUnavailable } from '@tally/db';

// Upper bound of the back-off: how late work resumes once the dependency is back.
const maxMs = 250;
const alarmAfterMs = 60_000;

/** When this process last logged an error for each kind of refusal. */
const loggedAt = new Map<string, number>();

export type Waiting = {
  signal?: AbortSignal;
  log: Logger;
  /**
   * The time (`performance.now()`) after which a store that is reachable but refuses is no longer retried: a refusal
   * that lasts so long may be a bug, and a job ends within 24 hours.
   */
  giveUpAtMs?: number;
  alarmEveryMs?: number;
};

/**
 * Repeats `work` while it fails because a store is unavailable, or because Postgres rolled it back on a serialization
 * conflict. `work` must be idempotent. @throws the errors of `work`, and the signal's reason
 */
export async function untilReachable<T>(work: () => Promise<T>, options: Waiting): Promise<T> {
  const { signal, log, giveUpAtMs = Number.POSITIVE_INFINITY } = options;
  const startedAt = performance.now();
  for (let tries = 0; ; tries++) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (err) {
      if (!isUnavailable(err) && !isRedisUnavailable(err) && !isSerializationConflict(err)) throw err;
      if (performance.now() > giveUpAtMs && !isUnreachable(err)) throw err;
      if (tries === 0) log.warn({ err }, 'waiting for a dependency');
      logLongWait(err, performance.now() - startedAt, options);
      const delayMs = isSerializationConflict(err)
        ? Math.random() * 20
        : Math.min(maxMs, 100 * 2 ** tries) * (0.5 + Math.random() / 2);
      await sleep(delayMs, undefined, signal && { signal }).catch(() => undefined);
    }
  }
}

/** Logs an error once a minute for each kind, so that operators see an outage that does not end by itself. */
function logLongWait(err: unknown, waitedMs: number, { log, alarmEveryMs = alarmAfterMs }: Waiting): void {
  if (waitedMs < alarmEveryMs) return;
  const code = kindOf(err);
  const now = performance.now();
  if (now - (loggedAt.get(code) ?? Number.NEGATIVE_INFINITY) < alarmEveryMs) return;
  loggedAt.set(code, now);
  log.error({ err, code, waited_ms: Math.round(waitedMs) }, 'still waiting for a dependency');
}

/** The SQLSTATE, the system error code, or the first word of Redis' error. */
function kindOf(err: unknown): string {
  const { code, cause, message } = (err ?? {}) as { code?: unknown; cause?: { code?: unknown }; message?: unknown };
  const known = code ?? cause?.code;
  return typeof known === 'string' ? known : (/^[A-Z]+\b/.exec(String(message))?.[0] ?? 'unknown');
}
