/** Faults in which the provider refuses calls of all accounts: a wrong key and a rate limit. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { World } from '../world.ts';
import type { Fault } from './fault.ts';

/** Limits until all jobs of a phase have ended: the next probe, and the rate's growth with each success. */
const probeLimitMs = 20_000;
const paceLimitMs = 60_000;

/** A phase in which all jobs wait; exclusive, since another fault could fail one of them. */
function refusalPhase(name: string, rule: object, phaseMs: { from: number; to: number }, limitMs: number): Fault {
  return {
    name,
    lane: 'outside',
    limitMs,
    isExclusive: true,
    async inject(world, random) {
      const phase = { startedAt: Date.now(), overAt: 0 };
      await world.sandbox.setModelFaults([rule]);
      await sleep(random.int(phaseMs.from, phaseMs.to));
      await world.sandbox.setModelFaults([]);
      phase.overAt = Date.now();
      return {
        overAt: phase.overAt,
        isRecovered: async () => (await listJobsOf(world, phase)).every(hasEnded),
        after: () => checkWaited(world, name, phase),
      };
    },
  };
}

type Phase = { startedAt: number; overAt: number };
type Job = { id: string; task: string; status: string; error_code: string | null; attempts: number };

async function listJobsOf({ system }: World, { startedAt, overAt }: Phase): Promise<Job[]> {
  const { rows } = await system.billing.db.pool.query<Job>(
    'select id, task, status, error_code, attempts from jobs where created_at between $1 and $2',
    [new Date(startedAt), new Date(overAt)],
  );
  return rows;
}

const hasEnded = ({ status }: Job): boolean => status !== 'queued' && status !== 'running';

/** Jobs submitted during the phase must neither fail nor use up an attempt. */
async function checkWaited(world: World, name: string, phase: Phase): Promise<void> {
  const ended = (await listJobsOf(world, phase)).filter(hasEnded);
  for (const { id, task, status, error_code, attempts } of ended)
    if (status === 'failed' || attempts > 1)
      world.journal.addViolation(
        'provider',
        `${name}: job ${id} (${task}) is ${status} (${error_code}) after ${attempts} attempts`,
        phase.overAt,
      );
}

export const providerFaults: Fault[] = [
  refusalPhase('model-key-wrong', { kind: 'unauthorized' }, { from: 3_000, to: 8_000 }, probeLimitMs),
  refusalPhase(
    'model-rate-limited',
    { kind: 'rate_limit', allow_per_second: 2 },
    { from: 4_000, to: 8_000 },
    paceLimitMs,
  ),
];
