/** Step 4: a Chromium, unless CHROMIUM_PATH names one. Only product extraction needs it, so no failure ends the set-up. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { aptInstall, aptWorks } from './apt.mjs';
import { has, modules, node24, root, say } from './project.mjs';

/** Until set-up itself changes: a machine that can't have one isn't asked at every start. */
export const noChromium = 'none';

export function chromiumFound() {
  return chromiumPath() !== noChromium;
}

/** Asks the code that will start it. @returns {string} the path, or `noChromium` */
export function chromiumPath() {
  const script = `
    import { findChromium } from './apps/worker/src/pages/find-chromium.ts';
    console.log((await findChromium(process.env.CHROMIUM_PATH)) ?? '${noChromium}');`;
  const { stdout, stderr } = spawnSync(node24, ['--input-type=module', '--eval', script], {
    cwd: root,
    encoding: 'utf8',
  });
  if (!stdout) throw new Error(`looking for Chromium failed: ${stderr}`);
  return stdout.trim();
}

export function installChromium() {
  if (process.env.CHROMIUM_PATH) {
    say(`CHROMIUM_PATH is ${process.env.CHROMIUM_PATH}, and that does not run: product extraction will not work.`);
    return;
  }
  for (const bring of [download, installPackage]) {
    bring();
    if (chromiumFound()) return;
  }
  say(
    'Chromium could not be installed. Everything else works; only product extraction will not, until you install it with ' +
      `\`${chromiumCommand()}\`, or set CHROMIUM_PATH to one of your own.`,
  );
}

/** Playwright's own, with the libraries that it needs where apt-get may bring them. */
function download() {
  say('Downloading Chromium for product extraction (about 180 MB)…');
  const args = ['install', 'chromium', '--no-shell', '--no-remove', ...(aptWorks() ? ['--with-deps'] : [])];
  const { status } = spawnSync(node24, [join(modules, 'playwright', 'cli.js'), ...args], {
    cwd: root,
    stdio: ['ignore', 2, 'ignore'],
    env: { ...process.env, PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT: '15000' },
    timeout: 15 * 60_000,
  });
  if (status !== 0) say('The download failed.');
}

function installPackage() {
  if (!aptWorks()) return;
  say('Installing chromium with apt-get…');
  const fault = aptInstall('chromium');
  if (fault !== '') say(`apt-get could not install it:\n  ${fault}`);
}

function chromiumCommand() {
  if (process.platform === 'darwin') return 'brew install --cask chromium';
  if (has('apt-get')) return 'sudo apt-get install chromium';
  if (has('dnf')) return 'sudo dnf install chromium';
  if (has('pacman')) return 'sudo pacman -S chromium';
  if (has('apk')) return 'sudo apk add chromium';
  return 'your package manager';
}
