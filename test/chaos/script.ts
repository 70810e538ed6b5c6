/** Draws the order of faults and injects them, one at a time per lane. */
import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@tally/testing';
import type { Effect, Fault } from './faults/fault.ts';
import { listRunning, type RunningJob } from './fleet.ts';
import type { Random } from './random.ts';
import { canaryAnswered, movedOn, waitForNormalLatency } from './recovery.ts';
import type { Incident } from './timeline.ts';
import type { World } from './world.ts';

/** Yields every fault once in random order, then random faults without end. */
function* draw(faults: readonly Fault[], random: Random): Generator<Fault> {
  yield* random.shuffle(faults);
  while (faults.length > 0) yield random.pick(faults);
}

export type Script = {
  incidents: Incident[];
  /** The current fault of each lane, for the progress line. */
  now(): string;
  /** Resolves when the time is up and both lanes have recovered from their last fault. */
  done: Promise<void>;
};

/** Measurement continues this long past a fault's limit, to report the actual delay. */
const timeoutMs = 60_000;

/** The last job is named only where it took longer than this. */
const nameLastJobMs = 1_000;

/** Injects faults of both lanes concurrently until `endsAt`; with `requireAll`, until each was injected once. */
export function playScript(
  world: World,
  faults: readonly Fault[],
  random: Random,
  { endsAt, requireAll }: { endsAt: number; requireAll: boolean },
): Script {
  const incidents: Incident[] = [];
  const words = { inside: 'nothing', outside: 'nothing' };
  const turns = { inside: createTurns(), outside: createTurns() };

  async function inject(fault: Fault, own: Random): Promise<void> {
    const incident: Incident = { fault: fault.name, lane: fault.lane, startedAt: Date.now() };
    incidents.push(incident);
    words[fault.lane] = fault.name;
    const running = await listRunning(world.system);
    const effect = await fault.inject(world, own);
    incident.overAt = effect.overAt;
    words[fault.lane] = `recovering from ${fault.name}`;
    try {
      const { ms, words: how } = await measure(effect, fault.lane, running, fault.limitMs + timeoutMs);
      incident.recoveryMs = ms;
      world.say(`${fault.name}: ${how}`);
      if (ms > fault.limitMs)
        world.journal.addViolation(
          'recovery',
          `${fault.name}: ${how}; the limit is ${inSeconds(fault.limitMs)} (${load()})`,
        );
    } catch (error) {
      world.journal.addViolation('recovery', `${fault.name}: not recovered: ${String(error)}`);
    }
    await effect.after?.();
    incident.endedAt = Date.now();
    words[fault.lane] = 'nothing';
  }

  /** Measures recovery from `effect.overAt`, in ms. @throws after `limitMs` */
  async function measure(effect: Effect, lane: Fault['lane'], running: RunningJob[], limitMs: number) {
    const sinceOver = () => Date.now() - effect.overAt;
    if (effect.isRecovered !== undefined) {
      await until(effect.isRecovered, limitMs);
      return { ms: sinceOver(), words: `recovered after ${inSeconds(sinceOver())}` };
    }
    const { canary, rich, instagram } = world.tenants;
    // An outside fault can delay the jobs of its accounts by a whole call timeout, so only others must move on.
    const old = lane === 'inside' ? running.filter((job) => job.account_id !== instagram.accountId) : running;
    const [newMs, [oldMs, last]] = await Promise.all([
      canaryAnswered(world, lane === 'inside' ? canary : rich, limitMs).then(sinceOver),
      movedOn(world, old, limitMs).then((job) => [sinceOver(), job] as const),
    ]);
    const lastWords = last === undefined || oldMs < nameLastJobMs ? '' : ` (the last: ${last.task} ${last.id})`;
    const words =
      `a new job was answered after ${inSeconds(newMs)},` +
      ` ${old.length} earlier jobs had moved on after ${inSeconds(oldMs)}${lastWords}`;
    return { ms: Math.max(newMs, oldMs), words };
  }

  async function play(lane: Fault['lane'], gapMs: { from: number; to: number }): Promise<void> {
    const own = random.fork(lane);
    const ofLane = faults.filter((fault) => fault.lane === lane);
    let missing = requireAll ? ofLane.length : 0;
    for (const fault of draw(ofLane, own)) {
      await sleep(own.int(gapMs.from, gapMs.to));
      if (Date.now() >= endsAt && missing <= 0) return;
      missing--;
      if (lane === 'inside') await waitForNormalLatency(world);
      // Both lanes acquire the locks in the same order, which excludes a deadlock.
      const mine =
        fault.isExclusive === true ? () => turns.outside(() => inject(fault, own)) : () => inject(fault, own);
      if (lane === 'inside' || fault.isExclusive === true) await turns.inside(mine);
      else await turns.outside(mine);
    }
  }

  const done = Promise.all([play('inside', { from: 300, to: 1_200 }), play('outside', { from: 800, to: 2_500 })]);
  return {
    incidents,
    now: () => `inside: ${words.inside}; outside: ${words.outside}`,
    done: done.then(() => undefined),
  };
}

/** Shown with a slow recovery, since other load on the machine can cause it. */
const load = (): string => `load average ${loadavg()[0]?.toFixed(1)} on ${availableParallelism()} cores`;

const inSeconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** A mutex: runs work one at a time, in the order of the calls. */
function createTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work);
    last = mine.catch(() => undefined);
    return mine;
  };
}
