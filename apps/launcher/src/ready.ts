/** Waits until started processes are ready. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child, Ready } from './child.ts';
import { LaunchFault } from './fault.ts';

const limitMs = 60_000;

/** @throws LaunchFault where it takes more than a minute, or where the child has failed */
export async function readyInTime(name: string, child: Child): Promise<Ready> {
  const limit = new AbortController();
  const late = sleep(limitMs, undefined, { signal: limit.signal }).then(() => {
    throw new LaunchFault(`The ${name} was not ready after ${limitMs / 1_000} s`);
  });
  // Prevents an unhandled rejection from the abort below.
  late.catch(() => {});
  try {
    return await Promise.race([child.ready, late]);
  } finally {
    limit.abort();
  }
}

/** Waits until GET /ready answers 200: Postgres, Redis and a worker are up. @throws LaunchFault with its last answer */
export async function answersReady(url: string): Promise<void> {
  const deadline = Date.now() + limitMs;
  for (let answer = 'no answer'; ; await sleep(50)) {
    try {
      const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(5_000) });
      if (response.status === 200) return;
      answer = `${response.status} ${(await response.text()).slice(0, 500)}`;
    } catch (error) {
      answer = String((error as Error).cause ?? error);
    }
    if (Date.now() > deadline) throw new LaunchFault(`${url}/ready does not answer 200: ${answer}`);
  }
}
