/** Waits for conditions by polling. */
import { setTimeout as sleep } from 'node:timers/promises';

const pollEveryMs = 20;

/**
 * Polls until `probe` returns a value, and returns it. A probe that throws, for example in an outage, is repeated.
 * @throws Error after `limitMs`, with the probe's last error as the cause
 */
export async function until<T>(
  probe: () => Promise<T | false | undefined> | T | false | undefined,
  limitMs = 30_000,
): Promise<T> {
  const endsAt = performance.now() + limitMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== false && value !== undefined) return value;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > endsAt) throw new Error(`not within ${limitMs} ms: ${probe}`, { cause });
    await sleep(pollEveryMs);
  }
}
