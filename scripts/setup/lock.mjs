/** Allows one set-up per folder at a time. */
import { createHash } from 'node:crypto';
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { root, say } from './project.mjs';

/** Runs `work` under a lock, so that concurrent starts do not install over each other; the second one waits. */
export async function withLock(work) {
  const name = createHash('sha256').update(root).digest('hex').slice(0, 16);
  // Not in node_modules, which `npm ci` deletes.
  const lock = join(tmpdir(), `tally-setup-${userInfo().uid}-${name}.lock`);
  const ownFile = `${lock}.${process.pid}`;
  writeFileSync(ownFile, String(process.pid));
  try {
    for (let isAnnounced = false; ; isAnnounced = true) {
      if (tryLink(ownFile, lock)) break;
      if (!isAlive(Number(readIfThere(lock)))) rmSync(lock, { force: true });
      else if (!isAnnounced) say('Waiting for another set-up of this folder to end…');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  } finally {
    rmSync(ownFile, { force: true });
  }
  try {
    await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function tryLink(from, to) {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function isAlive(pid) {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
