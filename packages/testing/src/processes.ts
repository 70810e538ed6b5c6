/** Runs Tally's processes as children, which report over IPC when they are ready and write to a log file. */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CloseLater } from './clean-up.ts';

export type Process = {
  pid: number;
  url: string;
  /** Sends SIGKILL; resolves once the process has exited. */
  kill(): Promise<void>;
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void;
  exited: Promise<number | null>;
  /** The log up to now. */
  log(): Promise<string>;
};

/** The root folder of this repository. */
export const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The environment of every child process. The compile cache takes a third off each start. */
export const processEnvironment = {
  PATH: process.env.PATH ?? '',
  NODE_COMPILE_CACHE: join(tmpdir(), 'tally-compile-cache'),
};

/** Starts `node script` (relative to `from`), resolves once it is ready. @throws Error with its log otherwise */
export async function startProcess(
  options: { name: string; script: string; env: Record<string, string>; logFile: string; from?: string },
  closeLater: CloseLater,
): Promise<Process> {
  const { name, script, env, logFile, from = root } = options;
  const child = spawn(process.execPath, [script], {
    cwd: from,
    argv0: 'node',
    env: { ...processEnvironment, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const log = createWriteStream(logFile);
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  closeLater(kill);
  const ready = await Promise.race([
    new Promise<{ url?: string }>((resolve) =>
      child.once('message', (message) => resolve(message as { url?: string })),
    ),
    exited.then(async (code) => {
      throw new Error(`${name} ended with code ${code}: ${await readFile(logFile, 'utf8')}`);
    }),
  ]);
  return {
    pid: child.pid ?? 0,
    url: ready.url ?? '',
    exited,
    kill,
    signal: (signal) => void child.kill(signal),
    log: () => readFile(logFile, 'utf8'),
  };
}

/** Runs `node script …args` to its end; returns its exit code and output. */
export async function runProcess(
  script: string,
  args: string[],
  env: Record<string, string>,
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [script, ...args], { cwd: root, env: { PATH: process.env.PATH, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, output };
}
