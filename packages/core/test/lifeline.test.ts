import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { expect, it } from 'vitest';

const lifeline = new URL('../src/lifeline.ts', import.meta.url).href;
const limitMs = 5_000;

const forAMinute = `
  import { onShutdown } from '${lifeline}';
  setTimeout(() => undefined, 60_000);
  process.on('exit', () => console.log('flushed'));
`;
const listen = `onShutdown(async () => undefined, ${limitMs});`;
const listenAndSay = `${listen} process.send({ ready: true });`;

/** Runs a program whose parent is gone once it is `ready`, and says how it ended. */
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

// By a signal: an exit could hang, and nobody would be there to notice.
const end = { code: null, signal: 'SIGKILL', output: 'flushed\n' };

it('a process whose parent goes ends, and writes down what it has to say', async () => {
  expect(await orphan(forAMinute + listenAndSay, 'message')).toEqual(end);
});

it('a process whose parent goes while it is still starting ends all the same', async () => {
  const late = `process.once('disconnect', () => setImmediate(() => { ${listen} }));`;
  expect(await orphan(forAMinute + late, 'spawn')).toEqual(end);
});

it('a process that is told to end while its parent lives says how it went', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', forAMinute + listenAndSay], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  await once(child, 'message');
  child.kill('SIGTERM');
  expect(await once(child, 'exit', { signal: AbortSignal.timeout(30_000) })).toEqual([0, null]);
});
