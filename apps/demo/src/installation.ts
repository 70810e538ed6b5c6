/** Runs `npm start` in a temporary folder, without the user's own settings, and removes all of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { servicesFile } from '@tally/core';
import { z } from 'zod';
import { StepFailed } from './client.ts';
import { print } from './output.ts';

const Services = z.object({ OPENAI_BASE_URL: z.url(), EXTRACTION_ALLOW_HOSTS: z.string() });
/** What processes need to run at all; others may name the user's database, model or Instagram account. */
const keptVariables =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|TERM|TZ|LANG|LC_\w+|TMPDIR|LD_LIBRARY_PATH|XDG_\w+|CHROMIUM_PATH|PLAYWRIGHT_\w+)$/;
/** Its stdin closes when the demo ends, also by kill -9. It waits 45 s at most: a container may keep zombie processes. */
const cleanerScript = 'read -r _; for i in $(seq 450); do kill -0 "$1" || break; sleep 0.1; done; rm -rf -- "$2"';

/** `ready` rejects when `abort` is aborted, which the installation's end does. */
export function startInstallation(env: NodeJS.ProcessEnv, abort: AbortController) {
  const folder = mkdtempSync(join(tmpdir(), 'tally-demo-'));
  // Started by root, Postgres runs as another user, which needs access.
  chmodSync(folder, 0o755);
  const kept = Object.fromEntries(Object.entries(env).filter(([name]) => keptVariables.test(name)));
  const launcher = spawn(process.execPath, ['apps/launcher/src/main.ts'], {
    cwd: resolve(import.meta.dirname, '../../..'),
    argv0: 'node',
    // npm_lifecycle_event: the launcher also ends when its parent process is gone.
    env: { ...kept, npm_lifecycle_event: 'demo', DATA_DIR: folder, PORT: '0', DEMO_DATA: 'on' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Detached: Ctrl-C reaches the terminal's whole process group.
  const cleanerArgs = ['-c', cleanerScript, 'sh', String(launcher.pid), folder];
  const cleaner = spawn('/bin/sh', cleanerArgs, { cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'] });

  const ready = Promise.withResolvers<{ api: string; sandbox: string; shop: string }>();
  abort.signal.addEventListener('abort', () => ready.reject(abort.signal.reason));
  createInterface({ input: launcher.stdout }).on('line', (line) => {
    if (/^(?!Stopping)\w.*(?:…$|: done after)/.test(line) && !abort.signal.aborted) print(line);
    const api = /^ {2}API +(http\S+)/.exec(line)?.[1];
    if (api === undefined) return;
    const services = Services.parse(JSON.parse(readFileSync(servicesFile(folder), 'utf8')));
    const sandbox = new URL(services.OPENAI_BASE_URL).origin;
    ready.resolve({ api, sandbox, shop: `http://${services.EXTRACTION_ALLOW_HOSTS}` });
  });
  const closed = once(launcher, 'close');
  closed.then(([code]) => abort.abort(new StepFailed(`The installation ended with code ${code}.`)));
  return {
    folder,
    ready: ready.promise,
    async stop(): Promise<void> {
      abort.abort();
      launcher.kill('SIGTERM');
      await closed;
      cleaner.stdin.end();
      if (cleaner.exitCode === null) await once(cleaner, 'exit');
      if (existsSync(folder)) throw new Error(`${folder} could not be removed`);
    },
  };
}
