/** An installation for the length of one story: `npm start` in a temporary folder, with nothing of the user's own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { servicesFile } from '@tally/core';
import { z } from 'zod';
import { Untold } from './expect.ts';
import type { Screen } from './screen.ts';

export type Addresses = { api: string; sandbox: string; shop: string };

export type Installation = {
  /** Rejects with an Untold where it doesn't start. */
  readonly ready: Promise<Addresses>;
  /** Rejects when it ends unasked. */
  readonly ended: Promise<never>;
  /** Ends everything and removes the folder. @throws Untold where that stays */
  stop(): Promise<void>;
};

const root = resolve(import.meta.dirname, '../../..');
const wordsKept = 20;

/** What processes need to run at all; all else might point to a database, a model or an Instagram account of the user's. */
const keptVariables =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|TERM|TZ|LANG|LC_\w+|TMPDIR|LD_LIBRARY_PATH|XDG_\w+|CHROMIUM_PATH|PLAYWRIGHT_\w+)$/;

export function startInstallation(screen: Screen, env: NodeJS.ProcessEnv): Installation {
  const folder = mkdtempSync(join(tmpdir(), 'tally-demo-'));
  // As root Postgres runs as another user, who has to reach it.
  chmodSync(folder, 0o755);
  screen.opening(folder);
  const launcher = spawn(process.execPath, ['apps/launcher/src/main.ts'], {
    cwd: root,
    argv0: 'node',
    env: {
      ...Object.fromEntries(Object.entries(env).filter(([name]) => keptVariables.test(name))),
      // Under npm the launcher watches who started it, and ends when that is gone.
      npm_lifecycle_event: 'demo',
      DATA_DIR: folder,
      PORT: '0',
      DEMO_DATA: 'on',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const cleaner = startCleaner(folder, launcher);
  const ready = Promise.withResolvers<Addresses>();
  const ended = Promise.withResolvers<never>();
  // Either may fail when nobody waits for it any more.
  for (const { promise } of [ready, ended]) promise.catch(() => {});

  const words: string[] = [];
  let isReady = false;
  function hear(line: string): void {
    words.push(line);
    if (words.length > wordsKept) words.shift();
    // What it says while it starts is progress.
    if (!isReady && /…$|: done after/.test(line)) screen.aside(line);
    isReady ||= line.startsWith('Tally is ready');
    const api = /^ {2}API +(http\S+)/.exec(line)?.[1];
    if (api !== undefined) ready.resolve({ api, ...readPlaces(folder) });
  }
  for (const input of [launcher.stdout, launcher.stderr]) createInterface({ input }).on('line', hear);

  // Once its last words are read.
  const exited = once(launcher, 'close');
  exited.then(([code]) => {
    const fault = new Untold(`The installation ended (code ${code}). Its last words:\n${words.join('\n')}`);
    ready.reject(fault);
    ended.reject(fault);
  });

  return {
    ready: ready.promise,
    ended: ended.promise,
    async stop() {
      launcher.kill('SIGTERM');
      await exited;
      cleaner.stdin?.end();
      if (cleaner.exitCode === null) await once(cleaner, 'exit');
      if (existsSync(folder)) throw new Untold(`${folder} could not be removed`);
    },
  };
}

/** Where the launcher says that it put the sandbox and its shop. */
function readPlaces(folder: string): { sandbox: string; shop: string } {
  const services = z
    .object({ OPENAI_BASE_URL: z.url(), EXTRACTION_ALLOW_HOSTS: z.string() })
    .parse(JSON.parse(readFileSync(servicesFile(folder), 'utf8')));
  return {
    sandbox: services.OPENAI_BASE_URL.replace(/\/v1$/, ''),
    shop: `http://${services.EXTRACTION_ALLOW_HOSTS}`,
  };
}

/**
 * Removes the folder once we are gone and the launcher too: a pipe that only we hold tells it, also after kill -9.
 * Its own process group, since Ctrl-C reaches all of ours. The wait has an end: the dead may never be buried in a container.
 */
function startCleaner(folder: string, launcher: ChildProcess): ChildProcess {
  const script = `
read -r _
tenths=0
while kill -0 "$1" 2>/dev/null && [ $tenths -lt 450 ]; do sleep 0.1; tenths=$((tenths + 1)); done
rm -rf -- "$2"`;
  return spawn('/bin/sh', ['-c', script, 'sh', String(launcher.pid), folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
}
