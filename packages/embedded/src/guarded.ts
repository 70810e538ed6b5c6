/** Runs child processes that never outlive this process, even if it is killed with SIGKILL. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A signal and the seconds to wait before the next one is sent. */
export type EndStep = { signal: NodeJS.Signals; seconds: number };

/** The user a process runs as; undefined means the current user. */
export type User = { uid: number; gid: number } | undefined;

export type GuardedOptions = {
  command: string;
  args: string[];
  env?: Record<string, string>;
  user?: User;
  /** Standard input; default: none. */
  inputFile?: string;
  /** Standard output and error are appended here; unlike a pipe, a file still works when this process is gone. */
  logFile: string;
  /** Signals that end it, gentlest first: used when this process dies and when `end` is called without steps. */
  endSteps: EndStep[];
};

export type Guarded = {
  readonly pid: number;
  /** Resolves with how it ended: `code 1` or `signal SIGKILL`. */
  readonly exited: Promise<string>;
  isRunning(): boolean;
  /** Sends the signals in turn until it has exited. */
  end(steps?: EndStep[]): Promise<void>;
};

const guardScript = join(import.meta.dirname, 'guard.sh');

/**
 * Starts `command` in its own process group, so that a terminal's Ctrl-C does not reach it before the processes that
 * still need it, with a guard that ends it when this process is gone. @throws when it can't be started
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

/** Keeps a guard running for `pid`; a guard that is killed is replaced. */
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
    // A write error to a killed guard can be ignored; its exit is handled below.
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
