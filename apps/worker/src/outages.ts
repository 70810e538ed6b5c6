/** Waiting for Postgres and Redis to come back, so that an outage costs time and never a job. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isRedisOutage, type Logger } from '@tally/core';
import { isCollision, isOutage } from '@tally/db';

// What waits goes on this much later at most once the dependency is back.
const longestMs = 500;

/**
 * Repeats `work` for as long as it fails because a dependency is away, or because Postgres rolled it back for another
 * statement's sake. `work` must be safe to repeat after an unknown outcome. @throws its own errors, and the signal's reason
 */
export async function untilReachable<T>(
  work: () => Promise<T>,
  options: { signal?: AbortSignal; log: Logger },
): Promise<T> {
  for (let tries = 0; ; tries++) {
    options.signal?.throwIfAborted();
    try {
      return await work();
    } catch (err) {
      if (!isOutage(err) && !isRedisOutage(err) && !isCollision(err)) throw err;
      if (tries === 0) options.log.warn({ err }, 'waiting for a dependency');
      const delayMs = isCollision(err)
        ? Math.random() * 20
        : Math.min(longestMs, 100 * 2 ** tries) * (0.5 + Math.random() / 2);
      await sleep(delayMs, undefined, options.signal && { signal: options.signal }).catch(() => undefined);
    }
  }
}
