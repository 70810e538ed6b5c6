/** Runs computations over strangers' pages in threads, so that none stops or kills this process, whatever the page. */
import { type Logger, TallyError } from '@tally/core';
import { computationsModule, type TaskContext } from '@tally/tasks';
import { Piscina } from 'piscina';
import { createSlots } from './pages/slots.ts';

export type Computing = {
  /** @throws TallyError `too_large` where time or memory is used up; the signal's reason once it is aborted */
  compute: (signal: AbortSignal) => TaskContext['compute'];
  close(): Promise<void>;
};

/** As many pages as are taken apart at a time: one more than this would leave the jobs around them no core. */
const maxThreads = 2;
/** 10 MB of honest HTML take 3 s, and fit the heap. */
const deadlineMs = 10_000;
const maxHeapMb = 256;
const idleMs = 60_000;

// Trying again would end in the same way: the code is a permanent one.
const tooComplex = (cause: unknown) => new TallyError('too_large', 'The page is too complex to be read', { cause });

/** No thread is started before there is something to compute. */
export function createComputing(log: Logger, limits: { deadlineMs?: number } = {}): Computing {
  const pool = new Piscina({
    filename: computationsModule,
    minThreads: 0,
    maxThreads,
    // Never used up: the slots below let in no more than there are threads.
    maxQueue: maxThreads,
    idleTimeout: idleMs,
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
    // Threads need neither this process's secrets nor its flags.
    env: {},
    execArgv: [],
  });
  pool.on('error', (err: Error) => log.warn({ err }, 'computing thread'));
  // In front of the pool, so that a computation's time begins when its thread does.
  const slot = createSlots(maxThreads);

  const compute =
    (signal: AbortSignal): TaskContext['compute'] =>
    async (name, input) => {
      const release = await slot(signal);
      const deadline = AbortSignal.timeout(limits.deadlineMs ?? deadlineMs);
      try {
        return await pool.run(input, { name, signal: AbortSignal.any([signal, deadline]) });
      } catch (error) {
        signal.throwIfAborted();
        throw deadline.aborted || isExhaustion(error) ? tooComplex(error) : error;
      } finally {
        release();
      }
    };
  return { compute, close: () => pool.destroy() };
}

/** No heap left, or no stack, or a string beyond the longest. */
const isExhaustion = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === 'RangeError' || ('code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'));
