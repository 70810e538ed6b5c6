/** Starts a service and waits until it is ready; on failure reports the fault from its log. */
import { readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EndStep, type Guarded, type GuardedOptions, spawnGuarded } from './guarded.ts';

/** Long, because recovery after a crash takes time. */
const readyLimitMs = 120_000;
const retryForMs = 10_000;

export type Launch = {
  name: string;
  /** Called for every try. */
  options: () => GuardedOptions;
  isReady: (guarded: Guarded) => boolean | Promise<boolean>;
  /** Whether a failed try's log output shows a transient fault; the function may also choose another port. */
  isTransient: (output: string) => boolean | Promise<boolean>;
  /** Signals that end it where it is not ready in time. */
  endSteps: EndStep[];
};

/** Resolves once it is ready; retries transient faults for 10 s. @throws Error with the fault from its log */
export async function launch({ name, options, isReady, isTransient, endSteps }: Launch): Promise<Guarded> {
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
    const output = readFileSync(logFile).subarray(logStart).toString();
    if (Date.now() - started > retryForMs || !(await isTransient(output)))
      throw new Error(`${name} did not start: ${lastFault(output)} (log: ${logFile})`);
    await sleep(100);
  }
}

export const portTaken = (output: string): boolean => /address already in use/i.test(output);

function lastFault(output: string): string {
  const lines = output.trim().split('\n');
  const faults = lines.filter((line) => /FATAL|PANIC|ERROR|error|bind:/.test(line));
  return (faults.at(-1) ?? lines.at(-1) ?? '').replace(/^.*?(FATAL|PANIC|ERROR|#):? +/, '');
}
