/** The script of a run: which faults come in which order, and their injection one after the other. */
import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@tally/testing';
import type { Effect, Fault } from './faults/fault.ts';
import { listRunning, type RunningJob } from './fleet.ts';
import type { Random } from './random.ts';
import { calm, canaryAnswered, movedOn } from './recovery.ts';
import type { Incident } from './timeline.ts';
import type { World } from './world.ts';

/** Every kind once in an order of the seed's, then draws without end. */
function* draw(faults: readonly Fault[], random: Random): Generator<Fault> {
  yield* random.shuffle(faults);
  while (faults.length > 0) yield random.pick(faults);
}

export type Script = {
  incidents: Incident[];
  /** What happens now, in a few words. */
  now(): string;
  /** Resolves when the time is over and both lanes have recovered from their last fault. */
  done: Promise<void>;
};

/** Measured beyond a fault's own limit: how much too late is worth knowing. */
const timeoutMs = 60_000;

/** Which job was the last is interesting only where it was late. */
const worthNamingMs = 1_000;

/** Injects faults until `endsAt`, inside and outside side by side; for longer where each has to have been there. */
export function playScript(
  world: World,
  faults: readonly Fault[],
  random: Random,
  { endsAt, mustHaveAll }: { endsAt: number; mustHaveAll: boolean },
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
        world.journal.violate(
          'recovery',
          `${fault.name}: ${how}; the limit is ${inSeconds(fault.limitMs)} (${load()})`,
        );
    } catch (error) {
      world.journal.violate('recovery', `${fault.name}: not recovered: ${String(error)}`);
    }
    await effect.after?.();
    incident.endedAt = Date.now();
    words[fault.lane] = 'nothing';
  }

  /** Measures from the end of the effect. @throws where it takes longer than `limitMs` */
  async function measure(effect: Effect, lane: Fault['lane'], running: RunningJob[], limitMs: number) {
    const sinceOver = () => Date.now() - effect.overAt;
    if (effect.isRecovered !== undefined) {
      await until(effect.isRecovered, limitMs);
      return { ms: sinceOver(), words: `recovered after ${inSeconds(sinceOver())}` };
    }
    const { canary, rich, instagram } = world.tenants;
    // What is broken outside may hold up its victims' jobs for as long as a call may take, whatever happens inside.
    const old = lane === 'inside' ? running.filter((job) => job.account_id !== instagram.accountId) : running;
    const [newMs, [oldMs, last]] = await Promise.all([
      canaryAnswered(world, lane === 'inside' ? canary : rich, limitMs).then(sinceOver),
      movedOn(world, old, limitMs).then((job) => [sinceOver(), job] as const),
    ]);
    const lastWords = last === undefined || oldMs < worthNamingMs ? '' : ` (the last: ${last.task} ${last.id})`;
    const words = `a new job was answered after ${inSeconds(newMs)}, ${old.length} old ones had moved on after ${inSeconds(oldMs)}${lastWords}`;
    return { ms: Math.max(newMs, oldMs), words };
  }

  async function play(lane: Fault['lane'], gapMs: { from: number; to: number }): Promise<void> {
    const own = random.fork(lane);
    const ofLane = faults.filter((fault) => fault.lane === lane);
    let missing = mustHaveAll ? ofLane.length : 0;
    for (const fault of draw(ofLane, own)) {
      await sleep(own.int(gapMs.from, gapMs.to));
      if (Date.now() >= endsAt && missing <= 0) return;
      missing--;
      if (lane === 'inside') await calm(world);
      // Both lanes take the turns in this order: no deadlock.
      const mine = fault.isAlone === true ? () => turns.outside(() => inject(fault, own)) : () => inject(fault, own);
      if (lane === 'inside' || fault.isAlone === true) await turns.inside(mine);
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

/** Who shares the machine with others has to know by how much. */
const load = (): string => `load average ${loadavg()[0]?.toFixed(1)} on ${availableParallelism()} cores`;

const inSeconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** One at a time, in the order in which they ask. */
function createTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work);
    last = mine.catch(() => undefined);
    return mine;
  };
}
