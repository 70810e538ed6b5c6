/**
 * Brings what Tally needs and this machine lacks: dependencies, Node 24, redis-server, Chromium. Every npm script
 * runs it first.
 *
 * Plain JavaScript without dependencies, for whatever Node (18 or newer) happens to be here. It is silent unless it does
 * something; once all is well it leaves a stamp in node_modules, with which the next run takes a few milliseconds.
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
 * In order, since each needs the one before. `present()` is cheap and is asked at every start; `bring()` does the work,
 * and throws a Fault where it can't.
 */
const steps = [
  { present: dependenciesInstalled, bring: installDependencies },
  { present: nodeRuns, bring: refuseNode },
  { present: redisFound, bring: installRedis },
  { present: chromiumFound, bring: installChromium },
];

/** Everything that a stamp vouches for; any change of it makes the steps look again. */
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

/** Whether the last run that ended well saw the same; the programs, which may vanish from outside, are looked at again. */
function stampHolds() {
  const [stamped, redis = '', chromium = ''] = existsSync(stampFile) ? readFileSync(stampFile, 'utf8').split('\n') : [];
  if (stamped !== fingerprint() || !existsSync(node24)) return false;
  if (!ownRedisServer() && !existsSync(redis)) return false;
  return chromium === noChromium ? !process.env.CHROMIUM_PATH : existsSync(process.env.CHROMIUM_PATH || chromium);
}

async function setUp() {
  if (stampHolds()) return;
  for (const { present, bring } of steps) if (!present()) await bring();
  try {
    writeFileSync(stampFile, `${fingerprint()}\n${redisPath()}\n${chromiumPath()}\n`);
  } catch (error) {
    // An installation that nobody may write to is looked over at every start: slower, and just as good.
    if (!['EROFS', 'EACCES', 'EPERM'].includes(error.code)) throw error;
  }
}

try {
  if (process.platform === 'win32') throw new Fault('Windows itself is not supported: run Tally inside WSL');
  if (!stampHolds()) await withLock(setUp);
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
