/** A child process that never outlives this one: not even when this one is killed with -9. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** One signal, and how long it may take to work before the next one is tried. */
export type EndStep = { signal: NodeJS.Signals; seconds: number };

/** Who a process runs as; undefined means as this process does. */
export type User = { uid: number; gid: number } | undefined;

export type GuardedOptions = {
  command: string;
  args: string[];
  env?: Record<string, string>;
  user?: User;
  /** Standard input; default: none. */
  inputFile?: string;
  /** Standard output and error are appended here. A file, not a pipe: it works on when this process is gone. */
  logFile: string;
  /** What ends it for good, gentlest first, when this process dies and when `end` is called without steps. */
  endSteps: EndStep[];
};

export type Guarded = {
  readonly pid: number;
  /** Resolves with how it ended, as `code 1` or `signal SIGKILL`. */
  readonly exited: Promise<string>;
  isRunning(): boolean;
  /** Sends the signals in turn until it is gone. */
  end(steps?: EndStep[]): Promise<void>;
};

const guardScript = join(import.meta.dirname, 'guard.sh');

/**
 * Starts `command` in a process group of its own, so that a terminal's Ctrl-C does not reach it before the processes
 * that still need it, and beside it the guard that ends it when this process is gone. @throws when it can't be started
 */
export async function spawnGuarded(options: GuardedOptions): Promise<Guarded> {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, 'a', 0o600);
  const input = options.inputFile === undefined ? 'ignore' : openSync(options.inputFile, 'r');
  const child = spawn(options.command, options.args, {
    cwd: '/',
    detached: true,
    stdio: [input, log, log],
    ...(options.env ? { env: options.env } : {}),
    ...options.user,
  });
  closeSync(log);
  if (input !== 'ignore') closeSync(input);
  const { pid } = child;
  if (pid === undefined) {
    const [error] = await once(child, 'error');
    throw error;
  }

  let running = true;
  const guard = keepGuard(pid, options.endSteps);
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      running = false;
      guard.release();
      resolve(signal === null ? `code ${code}` : `signal ${signal}`);
    });
  });

  async function end(steps = options.endSteps): Promise<void> {
    for (const { signal, seconds } of steps) {
      if (!running) return;
      child.kill(signal);
      child.kill('SIGCONT');
      const limit = new AbortController();
      await Promise.race([exited, sleep(seconds * 1_000, undefined, { signal: limit.signal }).catch(() => undefined)]);
      limit.abort();
    }
    await exited;
  }

  return { pid, exited, isRunning: () => running, end };
}

/** Keeps a guard over `pid`: somebody may end the guard, so its own end brings the next one. */
function keepGuard(pid: number, steps: EndStep[]): { release(): void } {
  let released = false;
  let guard: ChildProcess;
  const watch = (): void => {
    const args = steps.map(({ signal, seconds }) => `${signal.slice('SIG'.length)}:${seconds}`);
    guard = spawn('/bin/sh', [guardScript, String(pid), ...args], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // Writing to a guard that has just been killed is no fault: its end is handled below.
    guard.stdin?.on('error', () => {});
    guard.once('exit', () => {
      if (!released) setTimeout(() => released || watch(), 100);
    });
  };
  watch();
  return {
    release() {
      released = true;
      guard.stdin?.end('over\n');
    },
  };
}
