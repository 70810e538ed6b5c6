/** The API and worker processes of a run: each slot is refilled when its process has ended. */
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@tally/embedded';
import { type Installation, type Process, until } from '@tally/testing';
import { freeze } from './freeze.ts';
import type { Journal } from './journal.ts';

/** A running job and the fencing token of its claim. */
export type RunningJob = { id: string; account_id: string; task: string; fence: number };

/** Returns the running jobs; retries until Postgres answers. */
export async function listRunning(system: Installation): Promise<RunningJob[]> {
  const { pool } = system.billing.db;
  const { rows } = await until(() =>
    pool.query<RunningJob>(`select id, account_id, task, fence from jobs where status = 'running'`),
  );
  return rows;
}

export type Slot = {
  name: string;
  kind: 'api' | 'worker';
  /** Base URL of an API, kept across the slot's processes; empty for a worker. */
  url: string;
  process: Process;
  /** True while an exit of its process is expected. */
  isLeaving: boolean;
};

export type Fleet = {
  apis: Slot[];
  workers: Slot[];
  all(): Slot[];
  /** SIGKILL; resolves once the process has ended, and records the jobs that were running. */
  kill(slot: Slot): Promise<void>;
  /** Starts a new process in the slot; resolves once it is ready. */
  refill(slot: Slot): Promise<void>;
  /** SIGTERM, then a new process once the old one has ended. */
  replace(slot: Slot): Promise<void>;
  /** SIGSTOP, then SIGCONT after `ms`. */
  pause(slot: Slot, ms: number): Promise<void>;
  /** From now on process exits are expected. */
  expectExits(): void;
  /** The logs of all processes of the run. */
  logs(): Promise<{ name: string; text: string }[]>;
};

const apiCount = 2;
const workerCount = 3;

/** Starts two APIs and three workers, the last worker from `beside`, the folder of another version, if given. */
export async function startFleet(system: Installation, journal: Journal, beside: string | undefined): Promise<Fleet> {
  const processes: { name: string; process: Process }[] = [];

  async function start(kind: Slot['kind'], name: string, port: string): Promise<Process> {
    const from = name === `worker ${workerCount}` ? beside : undefined;
    const process = kind === 'api' ? await system.startApi({ PORT: port }) : await system.startWorker({}, from);
    processes.push({ name: `${name} (${process.pid})`, process });
    return process;
  }

  /** An unexpected exit is a violation. */
  function watch(slot: Slot): void {
    const { process } = slot;
    void process.exited.then((code) => {
      if (slot.process === process && !slot.isLeaving)
        journal.addViolation('processes', `${slot.name} (${process.pid}) ended by itself with code ${code}`);
    });
  }

  async function open(kind: Slot['kind'], number: number): Promise<Slot> {
    const name = `${kind} ${number}`;
    const port = String(await freePort());
    const process = await start(kind, name, port);
    const slot: Slot = { name, kind, url: process.url, process, isLeaving: false };
    watch(slot);
    return slot;
  }

  async function recordJobsAtKill(): Promise<void> {
    for (const { id } of await listRunning(system)) journal.jobsAtKill.add(id);
  }

  async function refill(slot: Slot): Promise<void> {
    slot.process = await start(slot.kind, slot.name, slot.url === '' ? '0' : new URL(slot.url).port);
    slot.isLeaving = false;
    watch(slot);
  }

  const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
  const [apis, workers] = await Promise.all([
    Promise.all(numbers(apiCount).map((number) => open('api', number))),
    Promise.all(numbers(workerCount).map((number) => open('worker', number))),
  ]);

  return {
    apis,
    workers,
    all: () => [...apis, ...workers],
    async kill(slot) {
      slot.isLeaving = true;
      await slot.process.kill();
      if (slot.kind === 'worker') await recordJobsAtKill();
    },
    refill,
    async replace(slot) {
      slot.isLeaving = true;
      slot.process.signal('SIGTERM');
      const code = await slot.process.exited;
      if (code === 0) return refill(slot);
      await recordJobsAtKill();
      journal.addViolation('processes', `${slot.name} (${slot.process.pid}) ended with code ${code} after SIGTERM`);
      return refill(slot);
    },
    async pause(slot, ms) {
      const wake = freeze(slot.process.pid);
      await sleep(ms);
      wake();
    },
    expectExits() {
      for (const slot of [...apis, ...workers]) slot.isLeaving = true;
    },
    logs: () => Promise.all(processes.map(async ({ name, process }) => ({ name, text: await process.log() }))),
  };
}
