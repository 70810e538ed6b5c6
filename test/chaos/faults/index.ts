/** The list of all faults. */
import { apiFaults } from './apis.ts';
import { flushFault } from './backlog.ts';
import type { Fault } from './fault.ts';
import { outsideFaults } from './outside.ts';
import { postgresFaults } from './postgres.ts';
import { providerFaults } from './provider.ts';
import { redisFaults } from './redis.ts';
import { workerFaults } from './workers.ts';

export const allFaults: readonly Fault[] = [
  ...workerFaults,
  ...apiFaults,
  ...redisFaults,
  flushFault,
  ...postgresFaults,
  ...outsideFaults,
  ...providerFaults,
];
