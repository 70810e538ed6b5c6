/** Runs child processes of the bench: calls their functions over IPC and keeps their output in log files. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Call } from './children/answer-calls.ts';
import { cpuMsOf } from './cpu.ts';

export type Child = {
  pid: number;
  /** Its server's URL, or an empty string. */
  url: string;
  /** Calls a function of the child. @throws Error with the child's error, or where the child has exited */
  call<T = void>(name: string, input?: unknown): Promise<T>;
  /** CPU time from /proc, or else from the child itself. */
  cpuMs(): Promise<number>;
  stop(): Promise<void>;
};

const readyLimitMs = 30_000;
const stopLimitMs = 20_000;
const root = new URL('../', import.meta.url);
const living = new Set<Child>();

/** Starts `node <script>` (relative to the root), resolves when it is ready. @throws Error with its last output */
export async function startChild(
  script: string,
  options: { env: Record<string, string>; folder: string; nodeOptions?: string[] },
): Promise<Child> {
  const logFile = join(options.folder, `${script.replaceAll('/', '-')}.log`);
  const log = openSync(logFile, 'a', 0o600);
  const process_ = spawn(process.execPath, [...(options.nodeOptions ?? []), script], {
    cwd: root,
    env: { PATH: process.env.PATH ?? '', ...options.env },
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  const gone = once(process_, 'exit').then(() => undefined);
  const lastLines = () => readFileSync(logFile, 'utf8').split('\n').slice(-15).join('\n');
  const { call, ready } = connectIpc(process_);
  const pid = process_.pid ?? 0;

  const child: Child = {
    pid,
    url: '',
    call: (name, input) => call(name, input) as Promise<never>,
    cpuMs: async () => cpuMsOf(pid) ?? ((await call('cpuMs', undefined)) as number),
    async stop() {
      process_.kill('SIGTERM');
      const limit = setTimeout(() => process_.kill('SIGKILL'), stopLimitMs);
      if (process_.exitCode === null && process_.signalCode === null) await gone;
      clearTimeout(limit);
      living.delete(child);
    },
  };
  living.add(child);
  const late = sleep(readyLimitMs, undefined, { ref: false });
  const first = await Promise.race([ready, gone, late]);
  if (first === undefined) throw new Error(`${script} does not start:\n${lastLines()}`);
  return Object.assign(child, { url: first.url ?? '' });
}

/** Ends all running children. */
export async function stopChildren(): Promise<void> {
  await Promise.all([...living].map((child) => child.stop()));
}

function connectIpc(child: ChildProcess) {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const ready = Promise.withResolvers<{ url?: string }>();
  let calls = 0;
  child.on('message', (message: Answer | { ready: true; url?: string }) => {
    if ('ready' in message) return ready.resolve(message);
    const caller = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error === undefined) caller?.resolve(message.output);
    else caller?.reject(new Error(message.error));
  });
  child.on('exit', (code, signal) => {
    for (const caller of waiting.values()) caller.reject(new Error(`a process ended (${signal ?? code})`));
  });
  return {
    ready: ready.promise,
    call: (name: string, input: unknown): Promise<unknown> => {
      const caller = Promise.withResolvers<unknown>();
      const call: Call = { id: ++calls, name, input };
      waiting.set(call.id, caller);
      child.send(call, (error) => error && caller.reject(error));
      return caller.promise;
    },
  };
}
