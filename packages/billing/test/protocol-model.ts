/**
 * A model of the ledger's protocol (intent, reserve, hydrate, settle), small enough to explore every interleaving of a
 * few workers, a top-up, a take-back and faults of both stores. A job wants one token and uses none or one, or two
 * where calls may exceed their holds. Checked promises:
 *   P2       consumed + what running calls may still bill never exceeds granted
 *   P3       no job is billed twice
 *   end      no job ends twice
 *   refusal  no call is refused as exhausted while the tokens that it found at its intent still exist
 *   live     from every reachable state, all jobs can still end
 */

/** The rules that the protocol depends on. Without any one of them, some order of events breaks a promise. */
export const guards = {
  nonce: 'one worker hydrates at a time, and applies only while it has the right',
  asof: 'a hydration drops only holds whose lease had run out before it asked Postgres',
  judge: 'a hold that expired in Redis is dropped only if its row is gone',
  recheck: 'a hold that a hydration wrote to Redis is not yet a grant',
  'attempt-id': 'every attempt has a hold id of its own',
  'own-hold': 'a call is billed only if its own hold’s row is still there',
  'run-id': 'an account written by another server process is not trusted',
  'nonce-of-server': 'the right to hydrate ends with the server process that gave it',
  'unknown-outcome': 'a hold that may have been settled is never just released',
  once: 'a job’s step is settled once',
  fence: 'only the last claimant of a job may end it',
  'all-three': 'a settlement sets granted along with consumed and version',
  'one-step': 'Redis drops a settled hold and gets the balance in one step',
  falling: 'Redis accepts a newer balance even if granted has decreased',
  'take-held': 'tokens are taken back only under a hold of their own',
  'take-row': 'tokens are taken back only if that hold’s row is still there',
  'excess-held': 'usage above the hold is billed only under a hold for the difference',
  'excess-row': 'the difference is billed only if its own hold’s row is still there',
} as const;
export type Guard = keyof typeof guards;

export type World = {
  workers: 2 | 3;
  granted: number;
  /** Reserves per worker, 1 or 2. */
  attempts: number;
  /** Worker 1 runs worker 0's job a second time. */
  twin?: boolean;
  /** The last worker is an operator that takes one token back and does not wait for it. */
  takeBack?: boolean;
  /** A call may use one token more than it holds. At most two workers, because hold sets have six bits. */
  excess?: boolean;
  /** Workers may pause longer than their leases and then continue. */
  pauses?: boolean;
  /** Expired holds are also swept by maintenance. */
  sweeps?: boolean;
  topUps?: number;
  /** Redis loses everything, or a repair deletes the account. */
  flushes?: number;
  /** Redis restarts with its data, or with all but one hold. */
  restarts?: number;
  crashes?: number;
  /** Number of lease expiries, counted per store. */
  lapses?: number;
  without?: Guard;
};

export type Verdict = { states: number; broken?: { promise: Promised | 'live'; run: string[] } };
type Promised = 'P2' | 'P3' | 'end' | 'refusal';

/** A set of hold ids, one bit each. */
type Holds = number;
type Balance = { granted: number; consumed: number; version: number };
type Store = Balance & { live: Holds; lapsed: Holds };
const places = [
  'intent',
  'reserve',
  'hydrate a',
  'hydrate b',
  'hydrate c',
  'unhold',
  'release',
  'call',
  'settle',
  'settle b',
  'done',
  'dead',
] as const;
const excesses = ['none', 'asked', 'held', 'refused'] as const;
type Worker = {
  at: (typeof places)[number];
  attempt: number;
  /** Whether it reserves again after releasing its hold. */
  willRetry: boolean;
  /** The balance at its intent; after its settlement, the balance it returned. */
  seen: Balance | null;
  /** State of the hold for usage above its own. */
  excess: (typeof excesses)[number];
  /** The expired holds that its hydration noted, and the snapshot it read. */
  noted: Holds;
  read: (Balance & { holds: Holds }) | null;
};
type State = {
  /** Per job one bit each: settled, billed, ended; and two bits for its last claimant, worker + 1 or 0 for none. */
  postgres: Store & { settled: number; billed: number; ended: number; claims: number };
  redis: (Store & { isForeign: boolean }) | null;
  /** The hydrating worker + 1, or 0 for none. */
  nonce: number;
  /** Holds swept in Postgres but not yet in Redis. */
  swept: Holds;
  left: { flushes: number; restarts: number; crashes: number; lapses: number; topUps: number };
  workers: Worker[];
};
type Move = { name: string; to: State; breaks?: Promised | undefined };

/** Explores every order of up to `maxEvents` events breadth-first; returns the shortest run that breaks a promise, if any. */
export function explore(
  world: World,
  options: { checksLiveness?: boolean; maxEvents?: number | undefined } = {},
): Verdict {
  const { maxEvents = Number.POSITIVE_INFINITY } = options;
  const start = startOf(world);
  const indexOf = new Map([[encode(start), 0]]);
  const cameFrom = [-1];
  const names = [''];
  const edges: { from: number[]; to: number[] } = { from: [], to: [] };
  const ends: number[] = [];
  const runTo = (index: number): string[] => {
    const run: string[] = [];
    for (let i = index; i > 0; i = cameFrom[i] as number) run.unshift(names[i] as string);
    return run;
  };
  for (let layer = [start], first = 0, events = 1; layer.length > 0 && events <= maxEvents; events++) {
    const next: State[] = [];
    const firstOfNext = cameFrom.length;
    for (const [i, state] of layer.entries()) {
      const from = first + i;
      if (state.workers.every(({ at }) => at === 'done' || at === 'dead')) ends.push(from);
      for (const { name, to, breaks } of movesOf(world, state)) {
        const code = encode(to);
        let index = indexOf.get(code);
        const isNew = index === undefined;
        if (index === undefined) {
          index = cameFrom.length;
          indexOf.set(code, index);
          cameFrom.push(from);
          names.push(name);
          next.push(to);
        }
        if (options.checksLiveness) {
          edges.from.push(from);
          edges.to.push(index);
        }
        const promise = breaks ?? (isNew && isOverdrawn(world, to) ? 'P2' : undefined);
        if (promise) return { states: cameFrom.length, broken: { promise, run: [...runTo(from), name] } };
      }
    }
    layer = next;
    first = firstOfNext;
  }
  const stuck = options.checksLiveness ? firstThatCannotEnd(cameFrom.length, edges, ends) : -1;
  return {
    states: cameFrom.length,
    ...(stuck >= 0 && { broken: { promise: 'live' as const, run: runTo(stuck) } }),
  };
}

function startOf(world: World): State {
  const { flushes = 0, restarts = 0, crashes = 0, lapses = 0, topUps = 0 } = world;
  const idle: Worker = {
    at: 'intent',
    attempt: 0,
    willRetry: false,
    seen: null,
    excess: 'none',
    noted: 0,
    read: null,
  };
  return {
    postgres: {
      granted: world.granted,
      consumed: 0,
      version: 0,
      live: 0,
      lapsed: 0,
      settled: 0,
      billed: 0,
      ended: 0,
      claims: 0,
    },
    redis: null,
    nonce: 0,
    swept: 0,
    left: { flushes, restarts, crashes, lapses, topUps },
    workers: Array.from({ length: world.workers }, () => idle),
  };
}

const has = (world: World, guard: Guard) => world.without !== guard;
const jobOf = (world: World, worker: number) => (world.twin && worker === 1 ? 0 : worker);
const holdOf = (world: World, worker: number, attempt: number): Holds =>
  1 << (has(world, 'attempt-id') ? 2 * worker + attempt : 2 * jobOf(world, worker));
/** The hold for what a worker's call used above its first hold. */
const excessHoldOf = (world: World, worker: number): Holds => 1 << (2 * world.workers + worker);
const takesBack = (world: World, worker: number): boolean => world.takeBack === true && worker === world.workers - 1;
const countOf = (holds: Holds): number => {
  let count = 0;
  for (let rest = holds; rest !== 0; rest &= rest - 1) count++;
  return count;
};
const balanceOf = ({ granted, consumed, version }: Balance): Balance => ({ granted, consumed, version });
/** The newer of the balance in Redis and the one applied to it. */
function newer<T extends Balance>(world: World, known: T, update: Balance | null): T {
  if (update === null || update.version <= known.version) return known;
  const granted = has(world, 'falling') ? update.granted : Math.max(known.granted, update.granted);
  return { ...known, ...balanceOf(update), granted };
}
const drop = <T extends Store>(store: T, holds: Holds): T => ({
  ...store,
  live: store.live & ~holds,
  lapsed: store.lapsed & ~holds,
});

/** Whether more than granted may be billed once every running call has settled. */
function isOverdrawn(world: World, { postgres, workers }: State): boolean {
  let mayBill = 0;
  const rows = postgres.live | postgres.lapsed;
  for (const [i, { at, attempt, excess }] of workers.entries()) {
    const isCalling = at === 'call' || (excess !== 'none' && !['settle', 'settle b', 'done', 'dead'].includes(at));
    if (!isCalling || postgres.settled & (1 << jobOf(world, i))) continue;
    const isHeld =
      (rows & holdOf(world, i, attempt)) !== 0 || !has(world, takesBack(world, i) ? 'take-row' : 'own-hold');
    if (!isHeld) continue;
    const isExcessHeld = (rows & excessHoldOf(world, i)) !== 0 || !has(world, 'excess-row');
    mayBill += excess === 'held' && isExcessHeld ? 2 : 1;
  }
  return postgres.consumed + mayBill > postgres.granted;
}

function movesOf(world: World, state: State): Move[] {
  const moves = faultsOf(world, state);
  for (const [i, worker] of state.workers.entries()) {
    for (const [what, change, breaks] of stepsOf(world, state, i, worker)) {
      const { worker: changed, ...rest } = change;
      const workers = state.workers.with(i, { ...worker, ...changed });
      moves.push({
        name: `worker ${i}: ${what}`,
        to: { ...state, ...rest, workers },
        breaks,
      });
    }
    moves.push(...lossesOf(world, state, i, worker));
  }
  return moves;
}

type Change = Partial<Omit<State, 'workers'>> & { worker: Partial<Worker> };
type Step = [what: string, change: Change, breaks?: Promised | undefined];

/** The next steps that a worker can take. */
function stepsOf(world: World, state: State, i: number, worker: Worker): Step[] {
  const { postgres, redis } = state;
  const isExcess = worker.excess === 'asked';
  const hold = isExcess ? excessHoldOf(world, i) : holdOf(world, i, worker.attempt);
  const job = 1 << jobOf(world, i);
  switch (worker.at) {
    case 'intent':
      if (isExcess) {
        const held = { ...postgres, live: postgres.live | hold };
        return [
          ['intent for the difference', { postgres: held, worker: { at: 'reserve', seen: balanceOf(postgres) } }],
        ];
      }
      if (postgres.ended & job) return [['finds its job ended', { worker: { at: 'done' } }]];
      if (postgres.settled & job) {
        const ended = { ...postgres, claims: claim(world, postgres.claims, i), ended: postgres.ended | job };
        return [['replays what is settled, and ends the job', { postgres: ended, worker: { at: 'done' } }]];
      }
      return [
        [
          'intent',
          {
            postgres: { ...postgres, claims: claim(world, postgres.claims, i), live: postgres.live | hold },
            worker: { at: 'reserve', seen: balanceOf(postgres) },
          },
        ],
      ];
    case 'reserve':
      return [reserve(world, state, i, worker, hold)];
    case 'hydrate a':
      if (has(world, 'nonce') && state.nonce !== 0 && state.nonce !== i + 1)
        return [
          ['waits while another hydrates', { worker: { at: 'reserve' } }],
          ['waits until the nonce runs out', { nonce: 0, worker: {} }],
        ];
      return [['begins to hydrate', { nonce: i + 1, worker: { at: 'hydrate b', noted: redis?.lapsed ?? 0 } }]];
    case 'hydrate b': {
      const swept = drop(postgres, postgres.lapsed);
      const read = { ...balanceOf(swept), holds: swept.live };
      return [['reads Postgres', { postgres: swept, worker: { at: 'hydrate c', read } }]];
    }
    case 'hydrate c':
      return [['applies what it read', hydrate(world, state, i, worker)]];
    case 'unhold':
      return [['deletes its hold in Postgres', { postgres: drop(postgres, hold), worker: { at: 'release' } }]];
    case 'release': {
      const next: Partial<Worker> = isExcess ? { at: 'call', excess: 'refused' } : { at: 'done' };
      const again: Partial<Worker> = worker.willRetry
        ? { at: 'intent', attempt: worker.attempt + 1, willRetry: false }
        : next;
      return [['releases its hold in Redis', { redis: redis && drop(redis, hold), worker: again }]];
    }
    case 'call':
      return callsOf(world, state, i, worker, hold);
    case 'settle':
    case 'settle b':
      return settleInRedis(world, state, i, worker);
    default:
      return [];
  }
}

/** The possible outcomes of a call, by tokens used. */
function callsOf(world: World, state: State, i: number, { excess }: Worker, hold: Holds): Step[] {
  if (takesBack(world, i)) return [settle(world, state, i, hold, 1)];
  if (excess !== 'none') return [settle(world, state, i, hold, 2)];
  const within = [0, 1].map((used) => settle(world, state, i, hold, used));
  if (!world.excess) return within;
  if (!has(world, 'excess-held')) return [...within, settle(world, state, i, hold, 2)];
  return [...within, ['has used more than it holds', { worker: { at: 'intent', excess: 'asked' } }]];
}

/** A settlement reaches Redis: its holds are removed and the new balance is applied. */
function settleInRedis(world: World, { redis }: State, i: number, { at, attempt, excess, seen }: Worker): Step[] {
  const holds = holdOf(world, i, attempt) | (excess === 'none' ? 0 : excessHoldOf(world, i));
  const update = seen && { ...seen, ...(!has(world, 'all-three') && { granted: redis?.granted ?? 0 }) };
  const end: Partial<Worker> = { at: 'done', seen: null };
  if (at === 'settle b')
    return [['brings the balance to Redis', { redis: redis && newer(world, redis, update), worker: end }]];
  if (!has(world, 'one-step'))
    return [['drops its hold in Redis', { redis: redis && drop(redis, holds), worker: { at: 'settle b' } }]];
  const steps: Step[] = [
    ['settles in Redis', { redis: redis && newer(world, drop(redis, holds), update), worker: end }],
  ];
  if (!has(world, 'unknown-outcome'))
    steps.push(['does not know that it settled, and releases', { redis: redis && drop(redis, holds), worker: end }]);
  return steps;
}

function reserve(world: World, state: State, i: number, worker: Worker, hold: Holds): Step {
  const { postgres } = state;
  const isExcess = worker.excess === 'asked';
  const granted: Partial<Worker> = { at: 'call', seen: null, ...(isExcess && { excess: 'held' }) };
  if (takesBack(world, i) && !has(world, 'take-held'))
    return postgres.granted > postgres.consumed
      ? ['sees tokens in Postgres', { worker: granted }]
      : ['sees no tokens in Postgres', { worker: { at: 'unhold', seen: null } }];
  if (state.redis === null || (state.redis.isForeign && has(world, 'run-id')))
    return ['reserves: HYDRATE', { worker: { at: 'hydrate a' } }];
  const redis = newer(world, state.redis, worker.seen);
  if (redis.lapsed !== 0) return ['reserves: HYDRATE', { redis, worker: { at: 'hydrate a' } }];
  if (!has(world, 'recheck') && redis.live & hold)
    return ['takes its hydrated hold for a grant', { redis, worker: granted }];
  const remaining = redis.granted - redis.consumed;
  if (remaining < 1) {
    // Tokens granted after a take-back are not the tokens that the call found at its intent.
    const isTakenBack = world.takeBack === true && (postgres.settled & (1 << (world.workers - 1))) !== 0;
    const isWrong =
      !isTakenBack && worker.seen?.granted === postgres.granted && postgres.granted - postgres.consumed >= 1;
    const change: Change = { redis, worker: { at: 'unhold', seen: null } };
    return ['reserves: EXHAUSTED', change, isWrong ? 'refusal' : undefined];
  }
  if (remaining - countOf(redis.live & ~hold) < 1) {
    const willRetry = !isExcess && !takesBack(world, i) && worker.attempt + 1 < world.attempts;
    return ['reserves: WAIT', { redis, worker: { at: 'unhold', willRetry, seen: null } }];
  }
  return ['reserves: GRANTED', { redis: { ...redis, live: redis.live | hold }, worker: granted }];
}

function hydrate(world: World, { redis, nonce }: State, i: number, { read, noted }: Worker): Change {
  const worker: Partial<Worker> = { at: 'reserve', read: null, noted: 0 };
  if (read === null || (has(world, 'nonce') && nonce !== i + 1)) return { worker };
  if (redis === null || (redis.isForeign && has(world, 'run-id')))
    return { nonce: 0, redis: { ...balanceOf(read), live: read.holds, lapsed: 0, isForeign: false }, worker };
  const known = newer(world, redis, read);
  const judged = known.lapsed & (has(world, 'asof') ? noted : -1);
  const renewed = has(world, 'judge') ? judged & read.holds : 0;
  return { nonce: 0, redis: { ...known, lapsed: known.lapsed & ~judged, live: known.live | renewed }, worker };
}

function settle(world: World, { postgres, workers }: State, i: number, hold: Holds, used: number): Step {
  const job = 1 << jobOf(world, i);
  const isTakeBack = takesBack(world, i);
  const rows = postgres.live | postgres.lapsed;
  const excessHold = workers[i]?.excess === 'none' ? 0 : excessHoldOf(world, i);
  const isFirst = (postgres.settled & job) === 0 || !has(world, 'once');
  const isHeld = (rows & hold) !== 0 || !has(world, isTakeBack ? 'take-row' : 'own-hold');
  const isExcessHeld = workers[i]?.excess === 'held' && ((rows & excessHold) !== 0 || !has(world, 'excess-row'));
  const mayBill = isExcessHeld || !has(world, 'excess-held') ? 2 : 1;
  const moved = isFirst && isHeld ? Math.min(used, mayBill) : 0;
  const billed = isTakeBack ? 0 : moved;
  const ends = claimantOf(world, postgres.claims, i) === i + 1 || !has(world, 'fence');
  const after = {
    ...drop(postgres, hold | excessHold),
    granted: postgres.granted - (isTakeBack ? moved : 0),
    consumed: postgres.consumed + billed,
    version: postgres.version + Math.min(1, moved),
    settled: postgres.settled | job,
    billed: billed > 0 ? postgres.billed | job : postgres.billed,
    ended: ends ? postgres.ended | job : postgres.ended,
  };
  const breaks = billed > 0 && postgres.billed & job ? 'P3' : ends && postgres.ended & job ? 'end' : undefined;
  const what = isTakeBack ? 'takes a token back' : `settles ${used}`;
  return [`${what} in Postgres`, { postgres: after, worker: { at: 'settle', seen: balanceOf(after) } }, breaks];
}

const claimantOf = (world: World, claims: number, worker: number): number => (claims >> (2 * jobOf(world, worker))) & 3;
const claim = (world: World, claims: number, worker: number): number =>
  (claims & ~(3 << (2 * jobOf(world, worker)))) | ((worker + 1) << (2 * jobOf(world, worker)));

/** Events and faults of the stores, possible at any time. */
function faultsOf(world: World, state: State): Move[] {
  const { postgres, redis, left, nonce, swept } = state;
  const moves: Move[] = [];
  const move = (name: string, change: Partial<State>) => moves.push({ name, to: { ...state, ...change } });
  if (left.topUps > 0)
    move('a token is granted', {
      postgres: { ...postgres, granted: postgres.granted + 1, version: postgres.version + 1 },
      left: { ...left, topUps: left.topUps - 1 },
    });
  if (left.flushes > 0)
    move('Redis forgets everything', { redis: null, nonce: 0, left: { ...left, flushes: left.flushes - 1 } });
  if (left.restarts > 0 && redis !== null) {
    const keptNonce = has(world, 'nonce-of-server') ? 0 : nonce;
    const rest = { ...left, restarts: left.restarts - 1 };
    move('Redis restarts', { redis: { ...redis, isForeign: true }, nonce: keptNonce, left: rest });
    for (let lost = redis.live; lost !== 0; lost &= lost - 1)
      move('Redis restarts without its last hold', {
        redis: { ...drop(redis, lost & -lost), isForeign: true },
        nonce: keptNonce,
        left: rest,
      });
  }
  if (world.sweeps && postgres.lapsed !== 0)
    move('maintenance sweeps Postgres', { postgres: drop(postgres, postgres.lapsed), swept: swept | postgres.lapsed });
  if (swept !== 0) move('maintenance sweeps Redis', { redis: redis && drop(redis, swept), swept: 0 });
  return moves;
}

/** Crashes of a worker and expiries of its leases. */
function lossesOf(world: World, state: State, i: number, worker: Worker): Move[] {
  const { postgres, redis, left } = state;
  const moves: Move[] = [];
  if (left.crashes > 0 && !['intent', 'done', 'dead'].includes(worker.at)) {
    const dead: Worker = { ...worker, at: 'dead', willRetry: false, seen: null, noted: 0, read: null };
    moves.push({
      name: `worker ${i} dies`,
      to: { ...state, workers: state.workers.with(i, dead), left: { ...left, crashes: left.crashes - 1 } },
    });
  }
  if (left.lapses === 0 || !(worker.at === 'dead' || world.pauses)) return moves;
  const fewer = { ...left, lapses: left.lapses - 1 };
  const lapse = <T extends Store>(store: T, hold: Holds): T => ({
    ...store,
    live: store.live & ~hold,
    lapsed: store.lapsed | hold,
  });
  const holds: [string, Holds][] = [['lease', holdOf(world, i, worker.attempt)]];
  if (worker.excess !== 'none') holds.push(['lease for the difference', excessHoldOf(world, i)]);
  for (const [lease, hold] of holds) {
    if (postgres.live & hold)
      moves.push({
        name: `the ${lease} of worker ${i} runs out in Postgres`,
        to: { ...state, postgres: lapse(postgres, hold), left: fewer },
      });
    if (redis && redis.live & hold)
      moves.push({
        name: `the ${lease} of worker ${i} runs out in Redis`,
        to: { ...state, redis: lapse(redis, hold), left: fewer },
      });
  }
  return moves;
}

/** Encodes a state as a short string of 16-bit units; equal states have equal strings. */
function encode({ postgres, redis, nonce, swept, left, workers }: State): string {
  const balance = (b: Balance) => b.granted | (b.consumed << 2) | (b.version << 4);
  const budget = left.flushes | (left.restarts << 2) | (left.crashes << 4) | (left.lapses << 6) | (left.topUps << 9);
  const units = [
    balance(postgres) | (postgres.settled << 8),
    postgres.live | (postgres.lapsed << 6),
    redis ? 1 | (Number(redis.isForeign) << 1) | (balance(redis) << 2) : 0,
    redis ? redis.live | (redis.lapsed << 6) : 0,
    budget | (nonce << 11),
    swept,
    postgres.billed | (postgres.ended << 3) | (postgres.claims << 6),
  ];
  for (const { at, attempt, willRetry, seen, excess, noted, read } of workers)
    units.push(
      places.indexOf(at) | (attempt << 4) | (Number(willRetry) << 5) | (seen ? 64 | (balance(seen) << 7) : 0),
      (read ? 1 | (balance(read) << 1) : 0) | (excesses.indexOf(excess) << 12),
      noted | (read ? read.holds << 6 : 0),
    );
  return String.fromCharCode(...units);
}

/** The first state from which no end state can be reached; -1 if there is none. */
function firstThatCannotEnd(states: number, edges: { from: number[]; to: number[] }, ends: number[]): number {
  const firstOf = new Int32Array(states + 1);
  for (const to of edges.to) firstOf[to + 1] = (firstOf[to + 1] as number) + 1;
  for (let i = 0; i < states; i++) firstOf[i + 1] = (firstOf[i + 1] as number) + (firstOf[i] as number);
  const before = new Int32Array(edges.to.length);
  const filled = firstOf.slice();
  for (const [e, to] of edges.to.entries()) {
    const place = filled[to] as number;
    before[place] = edges.from[e] as number;
    filled[to] = place + 1;
  }
  const canEnd = new Uint8Array(states);
  for (const end of ends) canEnd[end] = 1;
  for (const open = [...ends]; open.length > 0; ) {
    const state = open.pop() as number;
    for (let e = firstOf[state] as number; e < (firstOf[state + 1] as number); e++) {
      const earlier = before[e] as number;
      if (canEnd[earlier]) continue;
      canEnd[earlier] = 1;
      open.push(earlier);
    }
  }
  return canEnd.indexOf(0);
}
