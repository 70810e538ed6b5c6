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
    // Packages for other platforms are left out.
    return found === undefined ? wanted.optional === true : found.version === wanted.version;
  });
}

/** @returns {Record<string, { version?: string, optional?: boolean }> | undefined} by path */
function readLock(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : undefined;
}

/**
 * With `npm install --no-save`, which follows the lockfile and leaves it alone. `npm ci` does too, but refuses one that
 * lacks packages of other platforms, and empties node_modules under whatever runs from it.
 */
export async function installDependencies() {
  // Development dependencies too: NODE_ENV=production in the environment must not make the next `npm test` start over.
  const args = ['install', '--no-save', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const step = 'Installing dependencies, about a minute';
  const { status, words, log } = await runStep(step, 'npm', args, { cwd: root, env: environmentForNpm() });
  if (status === 127) throw new Fault('npm could not be started: it comes with Node, see nodejs.org');
  if (status !== 0) throw new Fault(`npm install failed (code ${status}, all of it in ${log}):\n  ${words}`);
}

/**
 * npm inside an npm script: without the outer one's flags, which may name one workspace or a dry run, and without
 * node_modules/.bin in PATH, because the Node there is about to be replaced. Registry, proxy and cache stay.
 */
function environmentForNpm() {
  const outerFlags =
    /^npm_config_(workspaces?|include_workspace_root|dry_run|global|omit|include|only|production|prefix|loglevel|silent)$/i;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !outerFlags.test(name)));
  const path = (env.PATH ?? '').split(delimiter);
  return { ...env, PATH: path.filter((folder) => !/node_modules[\\/]\.bin[\\/]?$/.test(folder)).join(delimiter) };
}
