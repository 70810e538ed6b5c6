/** Runs Tally's Node processes: once to their end, or with restarts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { LaunchFault } from './fault.ts';
import { followLog, prepareLog } from './output/log-file.ts';
import { say } from './output/terminal.ts';

export type Program = {
  name: string;
  /** Script and arguments, relative to `root`, as `ps` shows them after `node`. */
  args: string[];
  root: string;
  env: NodeJS.ProcessEnv;
  /** Standard output and error are appended here. */
  logFile: string;
};

/** The IPC message of a child that is ready. */
export type Ready = { ready: true; url?: string };

export type Child = {
  /** Resolves when it is first ready; for a program that runs once, at its success. Rejects with a LaunchFault. */
  readonly ready: Promise<Ready>;
  /** From now on its exit is expected and leads to no restart. */
  expectEnd(): void;
  /** Sends SIGTERM, and SIGKILL after the limit; resolves once it has exited. */
  stop(limitMs: number): Promise<void>;
  kill(): void;
};

const startTries = 3;
const firstPauseMs = 500;
const maxPauseMs = 10_000;
/** A process that ran this long has recovered; the restart delay is reset. */
const healthyMs = 60_000;
const tailLines = 15;

/** Runs a program to its end. */
export function runOnce(program: Program): Child {
  prepareLog(program.logFile);
  // Its output is shown only if it fails.
  const log = followLog(program.logFile, () => {});
  const process = spawnNode(program);

  async function succeeds(): Promise<Ready> {
    const how = await endOf(process);
    log.close();
    if (how !== 'code 0') throw new LaunchFault(`${program.name} failed (${how}):\n${log.tail(tailLines)}`);
    return { ready: true };
  }

  const ready = succeeds();
  ready.catch(() => {});
  return {
    ready,
    expectEnd: () => {},
    stop: (limitMs) => end(process, program.name, limitMs),
    kill: () => void process.kill('SIGKILL'),
  };
}

/**
 * Starts a program and restarts it after each unexpected exit: after 0.5 s, then after longer pauses up to 10 s. Gives
 * up after three exits before it was ready.
 */
export function keepRunning(program: Program): Child {
  const { name } = program;
  prepareLog(program.logFile);
  const log = followLog(program.logFile, (line) => say(`[${name}] ${line}`));
  const ready = Promise.withResolvers<Ready>();
  // Prevents an unhandled rejection where another child's fault has already ended the start.
  ready.promise.catch(() => {});
  let wasReady = false;
  let stopping = false;
  let failures = 0;
  let pauseMs = firstPauseMs;
  let pause: NodeJS.Timeout | undefined;
  let current = start();

  function start(): ChildProcess {
    const startedAt = Date.now();
    const process = spawnNode(program);
    process.on('message', (message) => {
      if (!isReady(message)) return;
      wasReady = true;
      ready.resolve(message);
    });
    void endOf(process).then((how) => {
      // A terminal's Ctrl-C reaches the child and this process at once, and the child's exit may be seen first.
      setTimeout(() => stopping || startAgain(how, Date.now() - startedAt), 100);
    });
    return process;
  }

  function startAgain(how: string, livedMs: number): void {
    log.catchUp();
    failures += 1;
    if (!wasReady && failures === startTries) {
      ready.reject(new LaunchFault(`The ${name} does not start (${how}). Its last words:\n${log.tail(tailLines)}`));
      return;
    }
    if (livedMs > healthyMs) pauseMs = firstPauseMs;
    say(`The ${name} ended (${how}); it starts again in ${pauseMs / 1_000} s (log: ${program.logFile})`);
    pause = setTimeout(() => {
      current = start();
    }, pauseMs);
    pauseMs = Math.min(pauseMs * 2, maxPauseMs);
  }

  function expectEnd(): void {
    stopping = true;
    clearTimeout(pause);
  }

  return {
    ready: ready.promise,
    expectEnd,
    async stop(limitMs) {
      expectEnd();
      await end(current, name, limitMs);
      log.close();
    },
    kill: () => void current.kill('SIGKILL'),
  };
}

/** Spawns with an IPC channel: the child reports over it, and detects this process' exit when it closes. */
function spawnNode({ args, root, env, logFile }: Program): ChildProcess {
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(process.execPath, args, { cwd: root, argv0: 'node', env, stdio: ['ignore', log, log, 'ipc'] });
  closeSync(log);
  return child;
}

/** Resolves with how it ended: `code 1` or `signal SIGKILL`. */
async function endOf(child: ChildProcess): Promise<string> {
  const [code, signal] = await once(child, 'exit');
  return signal === null ? `code ${code}` : `signal ${signal}`;
}

async function end(child: ChildProcess, name: string, limitMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = endOf(child);
  child.kill('SIGTERM');
  const limit = setTimeout(() => {
    say(`The ${name} did not end within ${limitMs / 1_000} s and is killed`);
    child.kill('SIGKILL');
  }, limitMs);
  await gone;
  clearTimeout(limit);
}

function isReady(message: unknown): message is Ready {
  return typeof message === 'object' && message !== null && 'ready' in message && message.ready === true;
}
