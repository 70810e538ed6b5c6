/** Starts a service until it answers, or says in its own words why it doesn't. */
import { readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EndStep, type Guarded, type GuardedOptions, spawnGuarded } from './guarded.ts';

/** Reading back what was written before a crash takes its time. */
const readyLimitMs = 120_000;
const retryForMs = 10_000;

export type Launch = {
  name: string;
  /** Made anew for every try. */
  options: () => GuardedOptions;
  isReady: (guarded: Guarded) => boolean | Promise<boolean>;
  /** Whether what it wrote to its log before it ended will pass by itself; it may also choose another port. */
  passes: (words: string) => boolean | Promise<boolean>;
  /** What ends it when it is late. */
  endSteps: EndStep[];
};

/** Resolves once it is ready. Faults that pass are tried again for 10 s. @throws with its last words */
export async function launch({ name, options, isReady, passes, endSteps }: Launch): Promise<Guarded> {
  const started = Date.now();
  for (;;) {
    const { logFile, ...rest } = options();
    const logStart = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
    const guarded = await spawnGuarded({ logFile, ...rest });
    while (guarded.isRunning() && Date.now() - started < readyLimitMs) {
      if (await isReady(guarded)) return guarded;
      await sleep(10);
    }
    await guarded.end(endSteps);
    const words = readFileSync(logFile).subarray(logStart).toString();
    if (Date.now() - started > retryForMs || !(await passes(words)))
      throw new Error(`${name} did not start: ${lastFault(words)} (log: ${logFile})`);
    await sleep(100);
  }
}

export const portTaken = (words: string): boolean => /address already in use/i.test(words);

function lastFault(words: string): string {
  const lines = words.trim().split('\n');
  const faults = lines.filter((line) => /FATAL|PANIC|ERROR|error|bind:/.test(line));
  return (faults.at(-1) ?? lines.at(-1) ?? '').replace(/^.*?(FATAL|PANIC|ERROR|#):? +/, '');
}
