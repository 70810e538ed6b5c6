/** The ways in which this process is told to end. */
import { say } from './terminal.ts';

export type StopRequest = {
  /** Resolves at the first request. */
  readonly asked: Promise<void>;
  /** Resolves at the second, from someone who does not want to wait. */
  readonly hurried: Promise<void>;
};

/** A terminal's Ctrl-C arrives twice: from the terminal, and again from npm, which passes it on. */
const sameRequestMs = 1_000;
const parentPollMs = 500;

/** Listens for signals, and for the end of the npm that started this process, which kill -9 may keep from telling us. */
export function awaitStop(env: NodeJS.ProcessEnv): StopRequest {
  const asked = Promise.withResolvers<void>();
  const hurried = Promise.withResolvers<void>();
  let askedAt: number | undefined;

  function ask(): void {
    if (askedAt === undefined) {
      askedAt = Date.now();
      asked.resolve();
    } else if (Date.now() - askedAt > sameRequestMs) {
      hurried.resolve();
    }
  }

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ask);
  // A terminal that was closed takes no more words, which is no reason to stop in the middle of stopping.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

  const parent = process.ppid;
  // Only npm stays for as long as we do: a shell that starts us in the background may well leave first.
  if (env.npm_lifecycle_event !== undefined && parent !== 1) {
    const poll = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(poll);
      say('npm is gone');
      ask();
    }, parentPollMs);
    poll.unref();
  }
  return { asked: asked.promise, hurried: hurried.promise };
}
