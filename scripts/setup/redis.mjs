/** Step 3: redis-server, unless REDIS_URL is set. */
import { spawnSync } from 'node:child_process';
import { aptInstall, aptWorks } from './apt.mjs';
import { Fault, has, node24, root } from './project.mjs';

/** Whether the user configured a Redis, so that none has to be installed. */
export function ownRedisServer() {
  return Boolean(process.env.REDIS_URL);
}

export function redisFound() {
  return ownRedisServer() || askForRedis().fault === '';
}

/**
 * Uses the launcher's own search, so that both check the same places and versions.
 * @returns {{ command: string, fault: string }} one of the two is empty
 */
function askForRedis() {
  const script = `
    import { findRedis } from './packages/embedded/src/redis-server.ts';
    try { console.log(JSON.stringify({ command: findRedis().command, fault: '' })); }
    catch (error) { console.log(JSON.stringify({ command: '', fault: error.message })); }`;
  const { stdout, stderr } = spawnSync(node24, ['--input-type=module', '--eval', script], {
    cwd: root,
    encoding: 'utf8',
  });
  if (!stdout) throw new Error(`looking for redis-server failed: ${stderr}`);
  return JSON.parse(stdout);
}

/** The command's path, for a quick check at the next start. */
export function redisPath() {
  if (ownRedisServer()) return '';
  return spawnSync('/bin/sh', ['-c', `command -v ${askForRedis().command}`], { encoding: 'utf8' }).stdout.trim();
}

export async function installRedis() {
  const { fault } = askForRedis();
  if (fault.includes('or newer'))
    throw new Fault(`${fault}: upgrade it (see redis.io), or set REDIS_URL to a newer one`);
  const byHand = `${fault}. Install it with \`${redisCommand()}\`, or set REDIS_URL to a Redis of your own`;
  if (!aptWorks()) throw new Fault(byHand);
  const lastLines = await aptInstall('Installing redis-server with apt-get', ['redis-server']);
  if (lastLines !== '') throw new Fault(`apt-get could not install redis-server:\n  ${lastLines}\n${byHand}`);
  const now = askForRedis();
  if (now.fault !== '') throw new Fault(`${now.fault}: see redis.io for a newer one, or set REDIS_URL`);
}

function redisCommand() {
  if (process.platform === 'darwin') return 'brew install redis';
  if (has('apt-get')) return 'sudo apt-get install redis-server';
  if (has('dnf')) return 'sudo dnf install redis';
  if (has('pacman')) return 'sudo pacman -S redis';
  if (has('apk')) return 'sudo apk add redis';
  return 'your package manager';
}
