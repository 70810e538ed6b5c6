/** Waiting for Postgres and Redis to come back, so that an outage costs time and never a job. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isRedisUnavailable, isUnreachable, type Logger } from '@tally/core';
import { isSerializationConflict, isUnavailable } from '@tally/db';

// What waits goes on this much later at most once the dependency is back.
const maxMs = 250;
const alarmAfterMs = 60_000;

/** When each kind of refusal was last told as an alarm, by this process. */
const toldAt = new Map<string, number>();

export type Waiting = {
  signal?: AbortSignal;
  log: Logger;
  /**
   * The moment (`performance.now()`) from which a store that answers, and refuses, is not waited for any more: what it
   * refuses for so long may be a fault of ours, and a job ends within 24 hours.
   */
  giveUpAtMs?: number;
  alarmEveryMs?: number;
};

/**
 * Repeats `work` for as long as it fails because of a store's trouble, or because Postgres rolled it back for another
 * statement's sake. `work` must be safe to repeat after an unknown outcome. @throws its own errors, and the signal's reason
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
      tellLongWait(err, performance.now() - startedAt, options);
      const delayMs = isSerializationConflict(err)
        ? Math.random() * 20
        : Math.min(maxMs, 100 * 2 ** tries) * (0.5 + Math.random() / 2);
      await sleep(delayMs, undefined, signal && { signal }).catch(() => undefined);
    }
  }
}

/** An error in the log, once a minute and kind: an operator must learn of what does not pass by itself. */
function tellLongWait(err: unknown, waitedMs: number, { log, alarmEveryMs = alarmAfterMs }: Waiting): void {
  if (waitedMs < alarmEveryMs) return;
  const code = kindOf(err);
  const now = performance.now();
  if (now - (toldAt.get(code) ?? Number.NEGATIVE_INFINITY) < alarmEveryMs) return;
  toldAt.set(code, now);
  log.error({ err, code, waited_ms: Math.round(waitedMs) }, 'still waiting for a dependency');
}

/** The SQLSTATE, the system's code, or the first word of Redis' refusal. */
function kindOf(err: unknown): string {
  const { code, cause, message } = (err ?? {}) as { code?: unknown; cause?: { code?: unknown }; message?: unknown };
  const known = code ?? cause?.code;
  return typeof known === 'string' ? known : (/^[A-Z]+\b/.exec(String(message))?.[0] ?? 'unknown');
}
