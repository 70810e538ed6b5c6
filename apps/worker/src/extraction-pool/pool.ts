/** Parses pages in child processes, so that no page blocks or crashes the worker. */
import { type Logger, TallyError } from '@tally/core';
import type { PageReading } from '@tally/tasks';
import { pool as createPool } from 'workerpool';

export type ExtractionPool = {
  /**
   * Runs one of the page functions in a child process.
   * @throws TallyError `too_large` if the time or memory limit is exceeded; the signal's reason once it is aborted
   */
  read<Name extends keyof PageReading>(
    name: Name,
    input: Parameters<PageReading[Name]>[0],
    signal: AbortSignal,
  ): Promise<ReturnType<PageReading[Name]>>;
  close(): Promise<void>;
};

/** A child's answer. The error is a value, since a thrown one would lose its class between processes. */
export type Outcome = { output: unknown } | { error: unknown };

/** A third child would leave no core to the jobs around them. */
const maxChildren = 2;
/** 10 MB of ordinary HTML take 3 s and fit the heap. */
const deadlineMs = 10_000;
const maxHeapMb = 256;

// A retry would fail in the same way, so the code is a permanent one.
const tooComplex = (cause: unknown) => new TallyError('too_large', 'The page is too complex to be read', { cause });

/** Starts children with the first page. Not threads: a thread that exhausts its heap may abort the whole process. */
export function createExtractionPool(log: Logger, limits: { deadlineMs?: number } = {}): ExtractionPool {
  const children = createPool(new URL('child.ts', import.meta.url).pathname, {
    workerType: 'process',
    maxWorkers: maxChildren,
    // Children get neither this process's secrets nor its flags.
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
      // The timeout counts from when a child takes the page, and kills that child.
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

/** The child's answer, or why it ended without one: its timeout, its heap limit, or an abort. */
async function settled(work: PromiseLike<unknown>): Promise<Outcome | { ended: unknown }> {
  try {
    return (await work) as Outcome;
  } catch (ended) {
    return { ended };
  }
}
