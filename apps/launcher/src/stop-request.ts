/** Detects requests to stop this process. */
import { say } from './output/terminal.ts';

export type StopRequest = {
  /** Resolves at the first request. */
  readonly requested: Promise<void>;
  /** Resolves at the second request, which means to stop without waiting. */
  readonly repeated: Promise<void>;
};

/** A terminal's Ctrl-C arrives twice: from the terminal, and forwarded by npm. */
const sameRequestMs = 1_000;
const parentPollMs = 500;

/** Listens for signals, and for the exit of the parent npm, which sends no signal if it is killed with SIGKILL. */
export function awaitStop(env: NodeJS.ProcessEnv): StopRequest {
  const requested = Promise.withResolvers<void>();
  const repeated = Promise.withResolvers<void>();
  let requestedAt: number | undefined;

  function request(): void {
    if (requestedAt === undefined) {
      requestedAt = Date.now();
      requested.resolve();
    } else if (Date.now() - requestedAt > sameRequestMs) {
      repeated.resolve();
    }
  }

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, request);
  // Writing to a closed terminal fails, which must not interrupt stopping.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

  const parent = process.ppid;
  // Only npm runs as long as this process; a shell that starts it in the background may exit first.
  if (env.npm_lifecycle_event !== undefined && parent !== 1) {
    const poll = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(poll);
      say('npm is gone');
      request();
    }, parentPollMs);
    poll.unref();
  }
  return { requested: requested.promise, repeated: repeated.promise };
}
