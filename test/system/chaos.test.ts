/** Runs `npm run chaos` in a short form: one or two faults of each part, with a fixed seed. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const faults = [
  'worker-kill',
  'api-kill',
  'redis-restart-empty',
  'postgres-cut-after-commit',
  'postgres-cut-all',
  'model-server-error',
  'model-usage-huge',
  'instagram-reset-though-sent',
];

it('keeps every promise under faults of all dependencies', {
  timeout: 300_000,
}, async () => {
  const args = [
    'test/chaos/main.ts',
    '--minutes',
    '0.7',
    '--seed',
    '7',
    '--patience',
    '4',
    '--faults',
    faults.join(','),
  ];
  const child = spawn(process.execPath, args, {
    cwd: root,
    argv0: 'node',
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  child.stderr.on('data', (chunk) => (output += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  expect(code, output).toBe(0);
  for (const name of faults) expect(output).toMatch(new RegExp(`^${name}: a new job was answered`, 'm'));
});
