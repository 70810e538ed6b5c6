/** Finds the Chromium of this machine; the set-up asks it too, so that both look in the same places. */

import { execFile } from 'node:child_process';
import { homedir, tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { bareEnvironment } from '@tally/core';
import { chromium } from 'playwright';

const installed = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** All that Chromium is told of the environment: the worker's own holds its secrets. */
export const chromiumEnvironment = {
  ...bareEnvironment,
  HOME: homedir(),
  TMPDIR: tmpdir(),
  LANG: 'C.UTF-8',
};

/**
 * The first Chromium that runs; Playwright's own fits it best. Being there isn't enough: Ubuntu has a chromium-browser
 * that only says where to get one. @param configured the only one to look at, where it's given (CHROMIUM_PATH)
 */
export async function findChromium(configured?: string): Promise<string | undefined> {
  for (const path of configured ? [configured] : [chromium.executablePath(), ...installed])
    if (await runs(path)) return path;
  return undefined;
}

async function runs(path: string): Promise<boolean> {
  try {
    await promisify(execFile)(path, ['--version'], { env: chromiumEnvironment, timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
}
