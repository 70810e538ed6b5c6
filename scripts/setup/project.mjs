/** What every step of the set-up needs: the folders, and words for the user. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(fileURLToPath(import.meta.url), '../../..');
export const modules = join(root, 'node_modules');
/** The Node that runs Tally, whichever runs this. */
export const node24 = join(modules, '.bin', 'node');

/** What a user can act on. Anything else that is thrown is a fault of these scripts, and shown as one. */
export class Fault extends Error {}

export const say = (line) => console.error(line);

const dotEveryMs = 2_000;
const wordsShown = 6;

/**
 * Runs one step's command: one line for the user, with dots while it goes on, and all that it says in the log.
 * @returns {Promise<{ status: number, words: string, log: string }>} `words` are its last lines
 */
export async function runStep(what, command, args, options = {}) {
  const { path, file } = openLog();
  const startedAt = Date.now();
  writeSync(file, `\n--- ${new Date().toISOString()} ${what}\n`);
  process.stderr.write(`${what}…`);
  const dots = process.stderr.isTTY ? setInterval(() => process.stderr.write('.'), dotEveryMs) : undefined;
  const status = await new Promise((resolveStatus) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', file, file] });
    child.once('error', (error) => {
      writeSync(file, `${error.message}\n`);
      resolveStatus(127);
    });
    child.once('exit', (code) => resolveStatus(code ?? 1));
  });
  clearInterval(dots);
  closeSync(file);
  const seconds = Math.round((Date.now() - startedAt) / 1_000);
  process.stderr.write(status === 0 ? ` done after ${seconds} s\n` : ` failed (code ${status}), see ${path}\n`);
  return { status, words: lastWords(path, what), log: path };
}

/** Beside what other tools keep there; where that can't be written, with temporary files. */
function openLog() {
  const folder = join(modules, '.cache', 'tally');
  try {
    mkdirSync(folder, { recursive: true });
    const path = join(folder, 'setup.log');
    return { path, file: openSync(path, 'a') };
  } catch (error) {
    if (!['EROFS', 'EACCES', 'EPERM'].includes(error.code)) throw error;
    const path = join(tmpdir(), `tally-setup-${userInfo().uid}.log`);
    return { path, file: openSync(path, 'a', 0o600) };
  }
}

function lastWords(path, what) {
  const said = readFileSync(path, 'utf8').split(`${what}\n`).at(-1) ?? '';
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  const faults = lines.filter((line) => /^(E|Err|npm error|Error)\b/.test(line));
  return [...new Set(faults.length > 0 ? faults : lines)].slice(-wordsShown).join('\n  ');
}
export const succeeds = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
export const has = (command) => succeeds('/bin/sh', ['-c', `command -v ${command}`]);
