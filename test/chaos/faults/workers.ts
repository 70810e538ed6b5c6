/** Faults of the worker processes: SIGKILL, SIGSTOP, SIGTERM. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './fault.ts';

/** A claim's lease is 8 s (apps/worker/src/services.ts). */
const pastLeaseMs = 9_500;
const afterReplacementMs = 15_000;

export const workerFaults: Fault[] = [
  {
    name: 'worker-kill',
    lane: 'inside',
    limitMs: 12_000,
    isExclusive: true,
    async inject({ fleet }, random) {
      const slot = random.pick(fleet.workers);
      const overAt = Date.now();
      await fleet.kill(slot);
      const isRefilled = fleet.refill(slot);
      return { overAt, after: () => isRefilled };
    },
  },
  {
    name: 'worker-sleeps-past-lease',
    lane: 'inside',
    limitMs: afterReplacementMs,
    async inject({ fleet }, random) {
      await fleet.pause(random.pick(fleet.workers), pastLeaseMs);
      return { overAt: Date.now() };
    },
  },
  {
    name: 'worker-sleeps-briefly',
    lane: 'inside',
    limitMs: afterReplacementMs,
    async inject({ fleet }, random) {
      await fleet.pause(random.pick(fleet.workers), random.int(500, 4_000));
      return { overAt: Date.now() };
    },
  },
  {
    name: 'worker-term',
    lane: 'inside',
    limitMs: afterReplacementMs,
    async inject({ fleet }, random) {
      await fleet.replace(random.pick(fleet.workers));
      return { overAt: Date.now() };
    },
  },
  {
    name: 'rolling-restart',
    lane: 'inside',
    limitMs: afterReplacementMs,
    async inject({ fleet }, random) {
      for (const slot of random.shuffle(fleet.all())) {
        await fleet.replace(slot);
        await sleep(random.int(0, 500));
      }
      return { overAt: Date.now() };
    },
  },
];
