/** Waiting for what happens by itself and tells nobody. */
import { setTimeout as sleep } from 'node:timers/promises';

const lookEveryMs = 20;

/**
 * Polls until `probe` returns something, and returns that. A probe that throws, as in an outage, is asked again.
 * @throws after `limitMs`, with the probe's last error as the cause
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
    await sleep(lookEveryMs);
  }
}
