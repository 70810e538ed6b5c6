/** Runs computations over strangers' pages in processes of their own, so that no page stops or kills this one. */
import { type ChildProcess, fork } from 'node:child_process';
import { type Logger, TallyError } from '@tally/core';
import type { TaskContext } from '@tally/tasks';
import { createSlots } from '../pages/slots.ts';

export type Computing = {
  /** @throws TallyError `too_large` where time or memory is used up; the signal's reason once it is aborted */
  compute: (signal: AbortSignal) => TaskContext['compute'];
  close(): Promise<void>;
};

/** What a child says: that it is ready, or what a computation gave. */
export type Word = { ready: true } | { output: unknown } | { error: unknown };

/** As many pages as are taken apart at a time: one more than this would leave the jobs around them no core. */
const maxChildren = 2;
/** 10 MB of honest HTML take 3 s, and fit the heap. */
const deadlineMs = 10_000;
const maxHeapMb = 256;
const idleMs = 60_000;
const startLimitMs = 20_000;

// Trying again would end in the same way: the code is a permanent one.
const tooComplex = (cause: unknown) => new TallyError('too_large', 'The page is too complex to be read', { cause });

/** No process is started before there is something to compute. A thread's exhausted heap may abort its whole process. */
export function createComputing(log: Logger, limits: { deadlineMs?: number } = {}): Computing {
  const slot = createSlots(maxChildren);
  const children = new Set<ChildProcess>();
  const idle: { child: ChildProcess; end: NodeJS.Timeout }[] = [];

  async function takeChild(signal: AbortSignal): Promise<ChildProcess> {
    for (let waiting = idle.pop(); waiting !== undefined; waiting = idle.pop()) {
      clearTimeout(waiting.end);
      if (waiting.child.connected) return waiting.child;
    }
    const child = fork(new URL('./child.ts', import.meta.url), {
      execArgv: [`--max-old-space-size=${maxHeapMb}`],
      // It needs neither this process's secrets nor its flags.
      env: {},
      serialization: 'advanced',
      stdio: 'ignore',
    });
    children.add(child);
    child.once('exit', () => children.delete(child));
    const ready = nextWord(child, AbortSignal.any([signal, AbortSignal.timeout(startLimitMs)]));
    await ready.catch((error) => {
      child.kill('SIGKILL');
      throw error;
    });
    return child;
  }

  function keep(child: ChildProcess): void {
    const end = setTimeout(() => child.kill('SIGKILL'), idleMs);
    end.unref();
    idle.push({ child, end });
  }

  const compute =
    (signal: AbortSignal): TaskContext['compute'] =>
    async (name, input) => {
      const release = await slot(signal);
      try {
        const child = await takeChild(signal);
        // A computation's time begins when there is somebody to do it.
        const deadline = AbortSignal.timeout(limits.deadlineMs ?? deadlineMs);
        const answer = nextWord(child, AbortSignal.any([signal, deadline]));
        child.send({ name, input });
        const word = await answer.catch((error: unknown) => {
          child.kill('SIGKILL');
          signal.throwIfAborted();
          log.warn({ err: error, computation: name }, 'a computation was ended');
          throw tooComplex(error);
        });
        keep(child);
        if ('error' in word) throw word.error instanceof RangeError ? tooComplex(word.error) : word.error;
        // What a computation gives is what its function gives: the child runs that very one.
        return ('output' in word ? word.output : undefined) as never;
      } finally {
        release();
      }
    };

  return {
    compute,
    close: async () => {
      for (const child of children) child.kill('SIGKILL');
    },
  };
}

/** The next message of a child. @throws where it ends instead, or the signal comes first */
function nextWord(child: ChildProcess, signal: AbortSignal): Promise<Word> {
  return new Promise((resolve, reject) => {
    const onMessage = (word: unknown) => settle(() => resolve(word as Word));
    const onExit = (code: number | null, how: string | null) =>
      settle(() => reject(new Error(`a computing process ended (${how ?? code})`)));
    const onAbort = () => settle(() => reject(signal.reason));
    function settle(act: () => void): void {
      child.off('message', onMessage);
      child.off('exit', onExit);
      signal.removeEventListener('abort', onAbort);
      act();
    }
    child.once('message', onMessage);
    child.once('exit', onExit);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
