import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { expect, it } from 'vitest';

const lifeline = new URL('../src/lifeline.ts', import.meta.url).href;
const limitMs = 5_000;

const runForAMinute = `
  import { onShutdown } from '${lifeline}';
  setTimeout(() => undefined, 60_000);
  process.on('exit', () => console.log('flushed'));
`;
const listen = `onShutdown(async () => undefined, ${limitMs});`;
const listenAndReport = `${listen} process.send({ ready: true });`;

/** Runs a program, disconnects its parent on `ready`, and returns how it ended. */
async function orphan(program: string, ready: 'spawn' | 'message') {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
  });
  const stdout = child.stdout as Readable;
  let output = '';
  stdout.on('data', (text) => {
    output += text;
  });
  await once(child, ready);
  child.disconnect();
  const written = once(stdout, 'end');
  const [code, signal] = await once(child, 'exit', { signal: AbortSignal.timeout(30_000) });
  await written;
  return { code, signal, output };
}

// By SIGKILL, because a regular exit could hang and no parent is left to kill the process.
const end = { code: null, signal: 'SIGKILL', output: 'flushed\n' };

it('ends with its parent and flushes its output', async () => {
  expect(await orphan(runForAMinute + listenAndReport, 'message')).toEqual(end);
});

it('ends if its parent is gone before it listens', async () => {
  const late = `process.once('disconnect', () => setImmediate(() => { ${listen} }));`;
  expect(await orphan(runForAMinute + late, 'spawn')).toEqual(end);
});

it('exits with a code on SIGTERM while its parent lives', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', runForAMinute + listenAndReport], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  await once(child, 'message');
  child.kill('SIGTERM');
  expect(await once(child, 'exit', { signal: AbortSignal.timeout(30_000) })).toEqual([0, null]);
});
