/** A process that computes what it is sent, one thing at a time, and ends with the worker that started it. */
import { Worker } from 'node:worker_threads';
import { type Computations, computations } from '@tally/tasks';
import type { Word } from './pool.ts';

// A computation may keep this thread from noticing anything: another one watches over the parent.
const watch = `
  const parent = process.ppid;
  setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL'); }, 500);`;
new Worker(watch, { eval: true }).unref();

const say = (word: Word) => process.send?.(word);

process.on('disconnect', () => process.exit(0));
process.on('message', ({ name, input }: { name: keyof Computations; input: never }) => {
  try {
    const compute = computations[name] as (input: never) => unknown;
    say({ output: compute(input) });
  } catch (error) {
    say({ error });
  }
});
say({ ready: true });
