/** Faults of the API processes: SIGKILL, SIGSTOP, SIGTERM. Clients retry at the other API. */
import type { Fault } from './fault.ts';

const limitMs = 15_000;

export const apiFaults: Fault[] = [
  {
    name: 'api-kill',
    lane: 'inside',
    limitMs,
    async inject({ fleet }, random) {
      const slot = random.pick(fleet.apis);
      const overAt = Date.now();
      await fleet.kill(slot);
      const isRefilled = fleet.refill(slot);
      return { overAt, after: () => isRefilled };
    },
  },
  {
    name: 'api-sleeps',
    lane: 'inside',
    limitMs,
    async inject({ fleet }, random) {
      await fleet.pause(random.pick(fleet.apis), random.int(2_000, 8_000));
      return { overAt: Date.now() };
    },
  },
  {
    name: 'api-term',
    lane: 'inside',
    limitMs,
    async inject({ fleet }, random) {
      await fleet.replace(random.pick(fleet.apis));
      return { overAt: Date.now() };
    },
  },
];
