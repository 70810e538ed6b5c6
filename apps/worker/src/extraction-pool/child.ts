/** A child process that parses pages, one at a time, and exits with the worker that started it. */
import { Worker } from 'node:worker_threads';
import { pageReading } from '@tally/extraction/read-page';
import { worker } from 'workerpool';
import type { Outcome } from './pool.ts';

// A page may block this thread, which then misses that the IPC channel closed: a second thread watches the parent.
const watch = `
  const parent = process.ppid;
  setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL'); }, 500);`;
new Worker(watch, { eval: true }).unref();

function read(name: keyof typeof pageReading, input: never): Outcome {
  try {
    return { output: (pageReading[name] as (input: never) => unknown)(input) };
  } catch (error) {
    return { error };
  }
}

worker({ read });
