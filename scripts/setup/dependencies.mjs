/** Step 1: the npm packages of the lockfile. */
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Fault, modules, root, runStep } from './project.mjs';

export function dependenciesInstalled() {
  const lock = readLock(join(root, 'package-lock.json'));
  const installed = readLock(join(modules, '.package-lock.json'));
  if (installed === undefined) return false;
  if (lock === undefined) return true;
  return Object.entries(lock).every(([path, wanted]) => {
    if (!path.includes('node_modules/')) return true;
    const found = installed[path];
    // Packages for other platforms are not installed.
    return found === undefined ? wanted.optional === true : found.version === wanted.version;
  });
}

/** @returns {Record<string, { version?: string, optional?: boolean }> | undefined} by path */
function readLock(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : undefined;
}

/**
 * Uses `npm install --no-save`, which follows the lockfile and does not change it. `npm ci` does too, but it refuses a
 * lockfile without packages of other platforms, and it empties node_modules under running processes.
 */
export async function installDependencies() {
  // Includes development dependencies, or `npm test` would reinstall with NODE_ENV=production in the environment.
  const args = ['install', '--no-save', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const step = 'Installing dependencies, about a minute';
  const { status, lastLines, log } = await runStep(step, 'npm', args, { cwd: root, env: environmentForNpm() });
  if (status === 127) throw new Fault('npm could not be started: it comes with Node, see nodejs.org');
  if (status !== 0) throw new Fault(`npm install failed (code ${status}, all of it in ${log}):\n  ${lastLines}`);
}

/**
 * The environment of npm inside an npm script: without the outer npm's flags, such as a workspace or a dry run, and
 * without node_modules/.bin in PATH, because the Node there is being replaced. Keeps registry, proxy and cache.
 */
function environmentForNpm() {
  const outerFlags =
    /^npm_config_(workspaces?|include_workspace_root|dry_run|global|omit|include|only|production|prefix|loglevel|silent)$/i;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !outerFlags.test(name)));
  const path = (env.PATH ?? '').split(delimiter);
  return { ...env, PATH: path.filter((folder) => !/node_modules[\\/]\.bin[\\/]?$/.test(folder)).join(delimiter) };
}
