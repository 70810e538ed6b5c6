/** Shared by all steps of the set-up: folders, running commands, and output for the user. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(fileURLToPath(import.meta.url), '../../..');
export const modules = join(root, 'node_modules');
/** The Node that runs Tally; this script may run under another one. */
export const node24 = join(modules, '.bin', 'node');

/** An error that the user can resolve, shown without a stack. Any other error is a fault of these scripts. */
export class Fault extends Error {}

export const say = (line) => console.error(line);

const dotEveryMs = 2_000;
const linesShown = 6;

/**
 * Runs one step's command: prints one line with progress dots, and appends the command's output to the log.
 * @returns {Promise<{ status: number, lastLines: string, log: string }>} `lastLines` are of its output
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
  return { status, lastLines: lastLinesOf(path, what), log: path };
}

/** Opens the log in node_modules/.cache, or in the temporary folder where that is not writable. */
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

function lastLinesOf(path, what) {
  const output = readFileSync(path, 'utf8').split(`${what}\n`).at(-1) ?? '';
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const faults = lines.filter((line) => /^(E|Err|npm error|Error)\b/.test(line));
  return [...new Set(faults.length > 0 ? faults : lines)].slice(-linesShown).join('\n  ');
}
export const succeeds = (command, args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
export const has = (command) => succeeds('/bin/sh', ['-c', `command -v ${command}`]);
