/** As whom Chromium runs. Its sandbox refuses to root, and what breaks out of a page should be nobody. */
import { execFile } from 'node:child_process';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Logger } from '@tally/core';
import { chromiumEnvironment, findChromium } from './find-chromium.ts';

/** What to start, and what of the environment it is told. */
export type ChromiumCommand = { executablePath: string; env: Record<string, string>; hasSandbox: boolean };

const run = promisify(execFile);
const wrapper = join(import.meta.dirname, 'as-user.sh');
const limitMs = 20_000;

const known = new Map<string, Promise<ChromiumCommand | undefined>>();

/**
 * How to start the Chromium of this machine; undefined where there is none. Looked for once, for every look starts it twice:
 * one that is missing is looked for again.
 */
export function chromiumCommand(configured: string | undefined, log: Logger): Promise<ChromiumCommand | undefined> {
  const key = configured ?? '';
  const looking = known.get(key) ?? look(configured, log);
  known.set(key, looking);
  looking.then(
    (found) => found ?? known.delete(key),
    () => known.delete(key),
  );
  return looking;
}

async function look(configured: string | undefined, log: Logger): Promise<ChromiumCommand | undefined> {
  const found = await findChromium(configured);
  if (found === undefined) return undefined;
  const command = await commandFor(found);
  if (!command.hasSandbox)
    log.error({ why: command.why }, 'Chromium runs as root, without its sandbox: run the worker as another user');
  return command;
}

/** As this process' user, or as `nobody` where that is root; without the sandbox, and with the reason, where it can't be. */
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
