/** Finds an installed Chromium; the set-up script uses this too, so that both look in the same places. */
import { execFile } from 'node:child_process';
import { homedir, tmpdir } from 'node:os';
import { promisify } from 'node:util';

const installed = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** The environment that Chromium gets, since the worker's own contains its secrets. */
export const chromiumEnvironment = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  HOME: homedir(),
  TMPDIR: tmpdir(),
  LANG: 'C.UTF-8',
  TZ: 'UTC',
};

/**
 * The first Chromium that runs; Playwright's own is preferred, as the matching version. Each is started, since Ubuntu's
 * chromium-browser may be a stub that prints how to install one. @param configured the only path to try (CHROMIUM_PATH)
 */
export async function findChromium(configured?: string): Promise<string | undefined> {
  const paths = configured ? [configured] : [(await playwright()).executablePath(), ...installed];
  for (const path of paths) if (await runs(path)) return path;
  return undefined;
}

/** Loaded with the first page: a process that opens none starts a third of a second sooner. */
export const playwright = async () => (await import('playwright')).chromium;

async function runs(path: string): Promise<boolean> {
  try {
    await promisify(execFile)(path, ['--version'], { env: chromiumEnvironment, timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
}
