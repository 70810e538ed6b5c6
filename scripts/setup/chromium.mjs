/** Step 4: Chromium, unless CHROMIUM_PATH is set. Only product extraction needs it, so a failure is not fatal. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { aptInstall, aptWorks, hasDebianPackages } from './apt.mjs';
import { has, modules, node24, root, runStep, say } from './project.mjs';

/** Stored in the stamp until the set-up changes, so that a machine without Chromium is not checked at every start. */
export const noChromium = 'none';

export function chromiumFound() {
  return chromiumPath() !== noChromium;
}

/** Uses the worker's own search. @returns {string} the path, or `noChromium` */
export function chromiumPath() {
  const script = `
    import { findChromium } from './apps/worker/src/pages/chromium/find-chromium.ts';
    console.log((await findChromium(process.env.CHROMIUM_PATH)) ?? '${noChromium}');`;
  const { stdout, stderr } = spawnSync(node24, ['--input-type=module', '--eval', script], {
    cwd: root,
    encoding: 'utf8',
  });
  if (!stdout) throw new Error(`looking for Chromium failed: ${stderr}`);
  return stdout.trim();
}

export async function installChromium() {
  if (process.env.CHROMIUM_PATH) {
    say(`CHROMIUM_PATH is ${process.env.CHROMIUM_PATH}, and that does not run: product extraction will not work.`);
    return;
  }
  for (const install of [installPackage, download, installLibraries]) {
    await install();
    if (chromiumFound()) return;
  }
  say(
    'Chromium could not be installed. Everything else works; only product extraction will not, until you install it with ' +
      `\`${chromiumCommand()}\`, or set CHROMIUM_PATH to one of your own.`,
  );
}

/** Tried first: Debian's package is smaller, includes its libraries, and is updated with the machine. */
async function installPackage() {
  if (!aptWorks() || !hasDebianPackages()) return;
  const fault = await aptInstall('Installing Chromium with apt-get, for product extraction', ['chromium']);
  if (fault !== '') say(`  ${fault}`);
}

const playwright = join(modules, 'playwright', 'cli.js');

/** Downloads Playwright's Chromium. */
async function download() {
  const what = 'Downloading Chromium for product extraction, about 180 MB';
  await runStep(what, node24, [playwright, 'install', 'chromium', '--no-shell', '--no-remove'], {
    cwd: root,
    env: { ...process.env, PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT: '15000' },
    timeout: 15 * 60_000,
  });
}

/** Installs the downloaded Chromium's libraries; Playwright's own `install-deps` would upgrade installed ones. */
async function installLibraries() {
  if (!aptWorks()) return;
  const args = [playwright, 'install-deps', '--dry-run', 'chromium'];
  const { stdout } = spawnSync(node24, args, { cwd: root, encoding: 'utf8' });
  const names =
    /--no-install-recommends ([\w.+ -]+)/
      .exec(stdout ?? '')?.[1]
      ?.trim()
      .split(/ +/) ?? [];
  if (names.length === 0) return;
  const fault = await aptInstall('Installing the libraries of Chromium with apt-get', names);
  if (fault !== '') say(`  ${fault}`);
}

function chromiumCommand() {
  if (process.platform === 'darwin') return 'brew install --cask chromium';
  if (has('apt-get')) return 'sudo apt-get install chromium';
  if (has('dnf')) return 'sudo dnf install chromium';
  if (has('pacman')) return 'sudo pacman -S chromium';
  if (has('apk')) return 'sudo apk add chromium';
  return 'your package manager';
}
