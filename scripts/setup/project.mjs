/** What every step of the set-up needs: the folders, and words for the user. */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(fileURLToPath(import.meta.url), '../../..');
export const modules = join(root, 'node_modules');
/** The Node that runs Tally, whichever runs this. */
export const node24 = join(modules, '.bin', 'node');

/** What a user can act on. Anything else that is thrown is a fault of these scripts, and shown as one. */
export class Fault extends Error {}

export const say = (line) => console.error(line);
export const succeeds = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
export const has = (command) => succeeds('/bin/sh', ['-c', `command -v ${command}`]);
