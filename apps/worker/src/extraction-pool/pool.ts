/** Runs the functions that read pages in child processes, so that no page blocks or kills the worker. */
import { type Logger, TallyError } from '@tally/core';
import type { PageReading } from '@tally/tasks';
import { pool as createPool } from 'workerpool';

export type ExtractionPool = {
  /**
   * Runs one of the functions in a child process.
   * @throws TallyError `too_large` where time or memory is used up; the signal's reason once it is aborted
   */
  read<Name extends keyof PageReading>(
    name: Name,
    input: Parameters<PageReading[Name]>[0],
    signal: AbortSignal,
  ): Promise<ReturnType<PageReading[Name]>>;
  close(): Promise<void>;
};

/** What a child answers. An error that crosses as an exception would lose its class. */
export type Outcome = { output: unknown } | { error: unknown };

/** One child more would leave the jobs around them no core. */
const maxChildren = 2;
/** 10 MB of ordinary HTML take 3 s, and fit the heap. */
const deadlineMs = 10_000;
const maxHeapMb = 256;

// Trying again would end in the same way: the code is a permanent one.
const tooComplex = (cause: unknown) => new TallyError('too_large', 'The page is too complex to be read', { cause });

/** Children start with the first page. Processes, not threads: a thread's exhausted heap may abort its whole process. */
export function createExtractionPool(log: Logger, limits: { deadlineMs?: number } = {}): ExtractionPool {
  const children = createPool(new URL('child.ts', import.meta.url).pathname, {
    workerType: 'process',
    maxWorkers: maxChildren,
    // They need neither this process's secrets nor its flags.
    forkOpts: {
      execArgv: [`--max-old-space-size=${maxHeapMb}`],
      env: {},
      serialization: 'advanced',
      stdio: 'ignore',
    },
  });
  return {
    async read(name, input, signal) {
      signal.throwIfAborted();
      // Counted from when a child takes it, and kills that child where it is exceeded.
      const work = children.exec('read', [name, input]).timeout(limits.deadlineMs ?? deadlineMs);
      const cancel = () => void work.cancel();
      signal.addEventListener('abort', cancel, { once: true });
      const outcome = await settled(work).finally(() => signal.removeEventListener('abort', cancel));
      signal.throwIfAborted();
      if ('output' in outcome) return outcome.output as never;
      if ('error' in outcome && !(outcome.error instanceof RangeError)) throw outcome.error;
      log.warn({ err: 'ended' in outcome ? outcome.ended : outcome.error, read: name }, 'a page was too complex');
      throw tooComplex('ended' in outcome ? outcome.ended : outcome.error);
    },
    close: async () => {
      await children.terminate(true);
    },
  };
}

/** What the child answers, or why it ended instead: its time, its heap, or an abort. */
async function settled(work: PromiseLike<unknown>): Promise<Outcome | { ended: unknown }> {
  try {
    return (await work) as Outcome;
  } catch (ended) {
    return { ended };
  }
}
