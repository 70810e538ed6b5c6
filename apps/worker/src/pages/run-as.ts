/** As whom Chromium runs. Its sandbox refuses to root, and what breaks out of a page should be nobody. */
import { execFile } from 'node:child_process';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chromiumEnvironment } from './find-chromium.ts';

/** What to start, and what of the environment it is told. */
export type ChromiumCommand = { executablePath: string; env: Record<string, string>; hasSandbox: boolean };

const run = promisify(execFile);
const wrapper = join(import.meta.dirname, 'as-user.sh');
const limitMs = 20_000;

/** As this process' user, or as `nobody` where that is root; without the sandbox, and with the reason, where it can't be. */
export async function commandFor(chromium: string): Promise<ChromiumCommand & { why?: string }> {
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
