/** Step 2: Node 24, which the npm package `node` installs into node_modules/.bin. */
import { spawnSync } from 'node:child_process';
import { Fault, node24 } from './project.mjs';

export function nodeRuns() {
  return nodeVersion().startsWith('v24.');
}

function nodeVersion() {
  return (spawnSync(node24, ['--version'], { encoding: 'utf8' }).stdout ?? '').trim();
}

export function refuseNode() {
  const found = nodeVersion() || 'none';
  throw new Fault(
    `node_modules/.bin/node should be Node 24 (found: ${found}). The npm package "node" brings it with an install script: ` +
      'if scripts are switched off, run `npm rebuild node --ignore-scripts=false`',
  );
}
