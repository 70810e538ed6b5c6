/** Chooses the user that Chromium runs as: its sandbox does not run as root, and an exploit must gain no privileges. */
import { execFile } from 'node:child_process';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Logger } from '@tally/core';
import { chromiumEnvironment, findChromium } from './find-chromium.ts';

/** The executable to start and its environment. */
export type ChromiumCommand = { executablePath: string; env: Record<string, string>; hasSandbox: boolean };

const run = promisify(execFile);
const wrapper = join(import.meta.dirname, 'as-user.sh');
const limitMs = 20_000;

const known = new Map<string, Promise<ChromiumCommand | undefined>>();

/**
 * How to start the installed Chromium; undefined if there is none. The result is cached, since each search starts
 * Chromium twice; a failed search is repeated.
 */
export function chromiumCommand(configured: string | undefined, log: Logger): Promise<ChromiumCommand | undefined> {
  const key = configured ?? '';
  const searching = known.get(key) ?? search(configured, log);
  known.set(key, searching);
  searching.then(
    (found) => found ?? known.delete(key),
    () => known.delete(key),
  );
  return searching;
}

async function search(configured: string | undefined, log: Logger): Promise<ChromiumCommand | undefined> {
  const found = await findChromium(configured);
  if (found === undefined) return undefined;
  const command = await commandFor(found);
  if (!command.hasSandbox)
    log.error({ why: command.why }, 'Chromium runs as root, without its sandbox: run the worker as another user');
  return command;
}

/** Runs as this process's user, or as `nobody` instead of root; if that fails, without a sandbox, with the reason. */
async function commandFor(chromium: string): Promise<ChromiumCommand & { why?: string }> {
  const own = { executablePath: chromium, env: chromiumEnvironment };
  if (userInfo().uid !== 0) return { ...own, hasSandbox: true };
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => (await run('id', [flag, 'nobody'])).stdout.trim()),
    );
    const env = {
      ...chromiumEnvironment,
      HOME: '/nonexistent',
      CHROMIUM: chromium,
      PAGES_UID: String(uid),
      PAGES_GID: String(gid),
    };
    await run(wrapper, ['--version'], { env, timeout: limitMs });
    return { executablePath: wrapper, env, hasSandbox: true };
  } catch (error) {
    const why = error instanceof Error ? (error.message.split('\n').at(-2) ?? error.message) : String(error);
    return { ...own, hasSandbox: false, why };
  }
}
