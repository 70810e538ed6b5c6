/** The script of a run: which faults come in which order, and their injection one after the other. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from './clients/tenants.ts';
import type { Effect, Fault } from './faults/fault.ts';
import type { Random } from './random.ts';
import { canaryAnswered, listRunning, movedOn, nobodyWaits, type RunningJob, waitFor } from './recovery.ts';
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
const patienceMs = 60_000;
/** A send that Instagram does not answer takes 15 s. */
const leftoverLimitMs = 20_000;

/** Injects faults until `endsAt`, inside and outside side by side. */
export function playScript(world: World, faults: readonly Fault[], random: Random, endsAt: number): Script {
  const incidents: Incident[] = [];
  const words = { inside: 'nothing', outside: 'nothing' };
  const outsideTurn = createTurns();

  async function inject(fault: Fault, own: Random): Promise<void> {
    const incident: Incident = { fault: fault.name, lane: fault.lane, startedAt: Date.now() };
    incidents.push(incident);
    words[fault.lane] = fault.name;
    if (fault.isAlone) await nobodyWaits(world.system, leftoverLimitMs);
    const running = await listRunning(world.system);
    const effect = await fault.inject(world, own);
    incident.overAt = effect.overAt;
    words[fault.lane] = `recovering from ${fault.name}`;
    const account = fault.lane === 'inside' ? world.tenants.canary : world.tenants.rich;
    const limitMs = fault.limitMs + patienceMs;
    try {
      const parts = await measure(effect, account, running, { limitMs, mayWaitForInstagram: fault.isAlone !== true });
      noteRecovery(fault, incident, parts);
    } catch (error) {
      world.journal.violate('recovery', `${fault.name}: not recovered: ${String(error)}`);
    }
    await effect.after?.();
    incident.endedAt = Date.now();
    words[fault.lane] = 'nothing';
  }

  /** Milliseconds since the end of the effect, by what they are until. @throws where it takes longer than `limitMs` */
  async function measure(
    effect: Effect,
    account: Account,
    running: RunningJob[],
    limits: { limitMs: number; mayWaitForInstagram: boolean },
  ): Promise<Parts> {
    const { limitMs } = limits;
    const since = (work: Promise<void>) => work.then(() => Date.now() - effect.overAt);
    if (effect.isRecovered !== undefined)
      return { recovered: await since(waitFor(effect.isRecovered, Date.now() + limitMs)) };
    const [newJob, oldJobs] = await Promise.all([
      since(canaryAnswered(world, account, limitMs)),
      since(movedOn(world, running, limits)),
    ]);
    return { 'a new job was answered': newJob, 'old ones had moved on': oldJobs };
  }

  function noteRecovery({ name, limitMs }: Fault, incident: Incident, parts: Parts): void {
    incident.recoveryMs = Math.max(...Object.values(parts));
    const words = `${name}: ${Object.entries(parts)
      .map(([what, ms]) => `${what} after ${inSeconds(ms)}`)
      .join(', ')}`;
    world.say(words);
    if (incident.recoveryMs > limitMs)
      world.journal.violate('recovery', `${words}: the limit is ${inSeconds(limitMs)}`);
  }

  async function play(lane: Fault['lane'], gapMs: { from: number; to: number }): Promise<void> {
    const own = random.fork(lane);
    const ofLane = faults.filter((fault) => fault.lane === lane);
    for (const fault of draw(ofLane, own)) {
      await sleep(own.int(gapMs.from, gapMs.to));
      if (Date.now() >= endsAt) return;
      const turn = lane === 'outside' || fault.isAlone === true;
      if (turn) await outsideTurn(() => inject(fault, own));
      else await inject(fault, own);
    }
  }

  const done = Promise.all([play('inside', { from: 300, to: 1_200 }), play('outside', { from: 800, to: 2_500 })]);
  return {
    incidents,
    now: () => `inside: ${words.inside}; outside: ${words.outside}`,
    done: done.then(() => undefined),
  };
}

/** What recovery consists of, in milliseconds. */
type Parts = Record<string, number>;

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
