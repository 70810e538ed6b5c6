/** Runs `npm run demo` as in a fresh clone. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { until } from '@tally/testing';
import { afterEach, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const limitMs = 180_000;
type Run = { child: ChildProcess; output: () => string; exited: Promise<number | null> };
let demo: Run;

/** Sets a DATABASE_URL of the user's own, which the demo must not use. */
function run(): Run {
  const child = spawn(process.execPath, ['apps/demo/src/main.ts'], {
    cwd: root,
    argv0: 'node',
    env: { PATH: process.env.PATH, HOME: process.env.HOME, DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout?.on('data', (chunk) => (output += String(chunk)));
  child.stderr?.on('data', (chunk) => (output += String(chunk)));
  return { child, output: () => output, exited: new Promise((resolve) => child.once('close', resolve)) };
}

const folderOf = (output: string): string => /\/\S*tally-demo-\w+/.exec(output)?.[0] ?? '';
const processesOf = (folder: string): string[] =>
  execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
    .split('\n')
    .filter((args) => args.includes(folder));

afterEach(async () => {
  demo.child.kill('SIGTERM');
  await demo.exited;
});

it(
  'plays all chapters, agrees with the ledger and cleans up',
  async () => {
    demo = run();
    const code = await demo.exited;
    const lines = demo.output().trimEnd().split('\n');
    const widths = lines.map((line) => [...line.replace(/[\p{Mn}\p{Cf}]/gu, '')].length);
    expect(lines.at(-1)).toMatch(/^Every step was as told: 10 chapters in \d+ s\./);
    expect(code).toBe(0);
    expect(lines.slice(-8).join('\n')).toMatch(/\d+ jobs, \d+ model calls, [\d,]+ tokens billed/);
    expect(Math.max(...widths)).toBeLessThanOrEqual(100);
    const folder = folderOf(demo.output());
    expect(folder).not.toBe('');
    expect(existsSync(folder)).toBe(false);
    expect(processesOf(folder)).toEqual([]);
  },
  limitMs,
);

it(
  'cleans up after SIGKILL',
  async () => {
    demo = run();
    await until(async () => demo.output().includes('2. A rough prompt'), limitMs);
    const folder = folderOf(demo.output());
    expect(existsSync(folder)).toBe(true);
    demo.child.kill('SIGKILL');
    await until(async () => !existsSync(folder) && processesOf(folder).length === 0, 60_000);
  },
  limitMs,
);
