/**
 * Installs what Tally needs and this machine lacks: dependencies, Node 24, redis-server, Chromium. Every npm script
 * runs it first.
 *
 * Plain JavaScript without dependencies, for any Node from 18. It prints nothing unless it installs something. After a
 * success it writes a stamp to node_modules, with which the next run takes a few milliseconds.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromiumFound, chromiumPath, installChromium, noChromium } from './setup/chromium.mjs';
import { dependenciesInstalled, installDependencies } from './setup/dependencies.mjs';
import { withLock } from './setup/lock.mjs';
import { nodeRuns, refuseNode } from './setup/node.mjs';
import { Fault, modules, node24, root } from './setup/project.mjs';
import { installRedis, ownRedisServer, redisFound, redisPath } from './setup/redis.mjs';

const stampFile = join(modules, '.tally-setup');

/**
 * In order, because each step needs the previous one. `present()` is cheap and runs at every start; `install()` does
 * the work and throws a Fault where it can't.
 */
const steps = [
  { present: dependenciesInstalled, install: installDependencies },
  { present: nodeRuns, install: refuseNode },
  { present: redisFound, install: installRedis },
  { present: chromiumFound, install: installChromium },
];

/** A hash of everything a stamp depends on; a change makes the steps run again. */
function fingerprint() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  const members = ['apps', 'packages'].flatMap((folder) => namesIn(folder).map((name) => join(folder, name)));
  const scripts = namesIn('scripts/setup').map((name) => join('scripts/setup', name));
  for (const path of [
    'package-lock.json',
    ...['.', ...members].map((folder) => join(folder, 'package.json')),
    ...scripts,
  ]) {
    const file = join(root, path);
    hash.update(`\n${path}\n`).update(existsSync(file) ? readFileSync(file) : '');
  }
  return hash.digest('hex');
}

const namesIn = (folder) => (existsSync(join(root, folder)) ? readdirSync(join(root, folder)) : []);

/** Whether the last successful run had the same fingerprint. Programs outside node_modules are checked again. */
function isStampValid() {
  const [stamped, redis = '', chromium = ''] = existsSync(stampFile) ? readFileSync(stampFile, 'utf8').split('\n') : [];
  if (stamped !== fingerprint() || !existsSync(node24)) return false;
  if (!ownRedisServer() && !existsSync(redis)) return false;
  return chromium === noChromium ? !process.env.CHROMIUM_PATH : existsSync(process.env.CHROMIUM_PATH || chromium);
}

async function setUp() {
  if (isStampValid()) return;
  for (const { present, install } of steps) if (!present()) await install();
  try {
    writeFileSync(stampFile, `${fingerprint()}\n${redisPath()}\n${chromiumPath()}\n`);
  } catch (error) {
    // A read-only installation has no stamp and is checked at every start, which is only slower.
    if (!['EROFS', 'EACCES', 'EPERM'].includes(error.code)) throw error;
  }
}

try {
  if (process.platform === 'win32') throw new Fault('Windows itself is not supported: run Tally inside WSL');
  if (!isStampValid()) await withLock(setUp);
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
