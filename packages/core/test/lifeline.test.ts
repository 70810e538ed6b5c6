import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';

const lifeline = new URL('../src/lifeline.ts', import.meta.url).href;
const limitMs = 5_000;

/** A process that begins to listen for its end once it is told to, and goes on for a minute. */
const program = `
  setTimeout(() => undefined, 60_000);
  process.once('disconnect', async () => {
    const { onShutdown } = await import('${lifeline}');
    onShutdown(async () => undefined, ${limitMs});
  });
`;

it('a process whose parent goes while it is still starting ends all the same', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  await once(child, 'spawn');
  child.disconnect();
  const [code] = await once(child, 'exit', { signal: AbortSignal.timeout(30_000) });
  expect(code).toBe(0);
});
