/** Waiting for what happens by itself and tells nobody. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Polls until `probe` gives something; fails after `limitMs`. A probe that throws, as in an outage, is asked again. */
export async function until<T>(probe: () => Promise<T | false | undefined>, limitMs = 30_000): Promise<T> {
  const end = performance.now() + limitMs;
  let last: unknown;
  while (performance.now() < end) {
    try {
      const value = await probe();
      if (value !== false && value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    await sleep(25);
  }
  throw new Error(`not within ${limitMs} ms`, { cause: last });
}
