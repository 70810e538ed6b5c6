/**
 * Property test: random sequences of events on an account's tokens, against real Postgres and Redis. Verbs run in
 * single steps, so that every interleaving of workers is a sequence of commands; a failure prints the shortest one.
 */
import { newId, runScript } from '@tally/core';
import {
  carryOverRests,
  type DeletedHold,
  deleteHoldsBefore,
  type HydrationSnapshot,
  readHydration,
  renewPeriod,
  startPeriod,
  sweepHolds,
} from '@tally/db';
import { newAccount } from '@tally/testing';
import { newBilling, newConfig } from '@tally/testing/vitest';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { hydrate } from '../src/hydrate.ts';
import { type Billing, createBilling, grantTokens, release, removeFromRedis, reserve } from '../src/index.ts';
import { applyToRedis } from '../src/release.ts';
import { keysOf, scripts } from '../src/scripts.ts';
import { callOf, findings, inPostgres, inRedis, requestFor, runningJob, takeOver } from './fixtures/ledger.ts';
import { type Call, Reference } from './ledger-reference.ts';

const billing = await newBilling(await newConfig(), afterAll);
const { db, redis } = billing;
const leaseMs = 600_000;
const anotherServer = 'f'.repeat(40);

/** The system under test; the reference computes the expected state. */
type World = {
  accountId: string;
  /** Two processes: each has its own batches and its own cache of waiting accounts. */
  workers: [Billing, Billing];
  hydrations: { nonce: string; subscriptionId: string; noted: string[]; read: HydrationSnapshot | undefined }[];
  /** Removed from Postgres but not yet from Redis. */
  gone: DeletedHold[];
};

type Command = fc.AsyncCommand<Reference, World>;

/** A command on one of its possible targets, picked by number. */
function over<T>(
  name: string,
  candidates: (reference: Reference) => T[],
  act: (reference: Reference, world: World, target: T, size: number) => Promise<void>,
): fc.Arbitrary<Command> {
  return fc.tuple(fc.nat(7), fc.integer({ min: 1, max: 9 })).map(([pick, size]) => ({
    check: (reference) => candidates(reference as Reference).length > 0,
    run: async (reference, world) => {
      const all = candidates(reference);
      await act(reference, world, all[pick % all.length] as T, size);
      await compare(reference);
    },
    toString: () => `${name} (${pick}, ${size})`,
  }));
}

const callsAt =
  (...places: Call['at'][]) =>
  (reference: Reference) =>
    reference.callsAt(...places);
const keys = (subscriptionId: string) => keysOf(billing.keyPrefix, subscriptionId);
const anything = () => [0];

const intent = over(
  'intent',
  (reference) => reference.jobs,
  async (reference, { workers }, job, size) => {
    const request = { step: `step ${size % 3}`, wantTokens: 60 * size, minTokens: 15 * size };
    const holdId = newId();
    const insert = () => workers[size % 2 ? 1 : 0].writes.insertHold({ ...job, ...request, holdId, leaseMs });
    let answer = await insert();
    if (answer.outcome === 'renewal_due') {
      await renew(reference, job.accountId);
      answer = await insert();
    }
    if (answer.outcome !== 'held') throw new Error(`intent: ${JSON.stringify(answer)}`);
    const { subscriptionId, snapshot } = answer;
    expect(subscriptionId).toBe(reference.current.subscriptionId);
    reference.rows.set(holdId, { subscriptionId, tokens: request.wantTokens, isLapsed: false });
    const call = { job: { ...job }, ...request, holdId, subscriptionId, seen: snapshot, tokens: 0, usedTokens: 0 };
    reference.calls.push({ ...call, takeBacksSeen: reference.current.takeBacks, at: 'intended' });
  },
);

const decide = over('decide', callsAt('intended'), async (reference, world, call) => {
  const [answer, tokens] = await askRedis(call, call, call.job.jobId);
  if (answer === 'GRANTED') Object.assign(call, { at: 'running', tokens });
  if (answer === 'HYDRATE') return void (await beginHydration(reference, world, call.subscriptionId));
  if (answer === 'WAIT' || answer === 'EXHAUSTED') call.at = 'refused';
  if (answer === 'EXHAUSTED') {
    const { granted, consumed, takeBacks } = reference.period(call.subscriptionId);
    const isSame = granted === call.seen.tokensGranted && takeBacks === call.takeBacksSeen;
    const wereAlwaysAvailable = isSame && granted - consumed >= call.minTokens;
    expect(wereAlwaysAvailable, 'refused although the tokens were there').toBe(false);
  }
});

/** The reserve script's reply for a call, or for the excess above its hold. */
async function askRedis(
  { subscriptionId }: Call,
  { holdId, wantTokens, minTokens, seen }: Pick<Call, 'holdId' | 'wantTokens' | 'minTokens' | 'seen'>,
  ticketOf: string,
): Promise<[string, number]> {
  const { account, holds, sizes } = keys(subscriptionId);
  const snapshot = [seen.tokensGranted, seen.tokensConsumed, seen.version];
  return (await runScript(
    redis,
    scripts.reserve,
    [account, holds, sizes],
    [holdId, wantTokens, minTokens, leaseMs, ...snapshot, ticketOf, 0],
  )) as [string, number];
}

const exceed = over(
  'intent for what a call used above its hold',
  (reference) => reference.callsAt('running').filter(({ excess }) => excess === undefined),
  async (reference, { workers, accountId }, call, size) => {
    const wantTokens = 25 * size;
    const holdId = newId();
    const insert = () => workers[0].writes.insertHold({ ...call.job, step: call.step, wantTokens, holdId, leaseMs });
    let answer = await insert();
    if (answer.outcome === 'renewal_due') {
      await renew(reference, accountId);
      answer = await insert();
    }
    if (answer.outcome !== 'held') throw new Error(`intent: ${JSON.stringify(answer)}`);
    const { subscriptionId, snapshot } = answer;
    reference.rows.set(holdId, { subscriptionId, tokens: wantTokens, isLapsed: false });
    call.excess = { holdId, wantTokens, minTokens: 1, seen: snapshot, subscriptionId, at: 'intended', tokens: 0 };
  },
);

const decideExcess = over(
  'decide what a call used above its hold',
  (reference) => reference.callsAt('running').filter(({ excess }) => excess?.at === 'intended'),
  async (reference, world, call) => {
    const { excess } = call;
    if (excess === undefined) return;
    // The period has ended in the meantime; the next one must not pay for the call.
    const isAnotherPeriod = excess.subscriptionId !== call.subscriptionId;
    const [answer, tokens] = isAnotherPeriod ? ['REFUSED', 0] : await askRedis(call, excess, '');
    if (answer === 'HYDRATE') return void (await beginHydration(reference, world, call.subscriptionId));
    if (answer === 'GRANTED') return void Object.assign(excess, { at: 'held', tokens });
    await release(world.workers[1], excess);
    reference.rows.delete(excess.holdId);
    excess.at = 'refused';
  },
);

async function beginHydration(reference: Reference, world: World, subscriptionId: string): Promise<void> {
  const free = reference.hydrations.indexOf(undefined);
  if (free < 0) return;
  const nonce = newId();
  const { nonce: key, holds } = keys(subscriptionId);
  const [isOurs, ...noted] = (await runScript(redis, scripts.hydrateBegin, [key, holds], [nonce, 60_000])) as [
    number,
    ...string[],
  ];
  if (isOurs !== 1) return;
  reference.hydrations[free] = 'begun';
  world.hydrations[free] = { nonce, subscriptionId, noted, read: undefined };
}

const hydrationsAt = (place: 'begun' | 'read') => (reference: Reference) =>
  [0, 1].filter((i) => reference.hydrations[i] === place);

const readForHydration = over('hydration reads', hydrationsAt('begun'), async (reference, world, i) => {
  const hydration = world.hydrations[i] as World['hydrations'][number];
  hydration.read = await readHydration(db, hydration.subscriptionId);
  for (const [id, row] of reference.rows)
    if (row.isLapsed && row.subscriptionId === hydration.subscriptionId) reference.rows.delete(id);
  reference.hydrations[i] = 'read';
});

const applyHydration = over('hydration applies', hydrationsAt('read'), async (reference, world, i) => {
  const { nonce, subscriptionId, noted, read } = world.hydrations[i] as World['hydrations'][number];
  if (read === undefined) throw new Error('it has read nothing');
  const { account, holds, sizes, nonce: key } = keys(subscriptionId);
  const live = read.holds.map(({ id, tokens, leaseMs: rest }) => [id, tokens, rest]);
  await runScript(
    redis,
    scripts.hydrateApply,
    [account, holds, sizes, key],
    [nonce, read.tokensGranted, read.tokensConsumed, read.version, JSON.stringify(noted), JSON.stringify(live)],
  );
  reference.hydrations[i] = undefined;
});

const deleteHold = over(
  'delete in Postgres',
  callsAt('refused', 'intended', 'running'),
  async (reference, world, call) => {
    await world.workers[0].writes.deleteHold(call.holdId);
    reference.rows.delete(call.holdId);
    call.at = 'deleted';
  },
);

const removeHold = over('release in Redis', callsAt('deleted'), async (_, world, call) => {
  await removeFromRedis(world.workers[1], [call]);
  call.at = 'over';
});

const settleInPostgres = over('settle in Postgres', callsAt('running'), async (reference, world, call, size) => {
  // From zero to more than the holds allow.
  const usedTokens = Math.floor(((call.tokens + (call.excess?.wantTokens ?? 0)) * (size - 1)) / 7);
  reference.settle(call, usedTokens);
  await settleNow(world, call);
});

const settleAgain = over('settle once more', callsAt('settled', 'over'), async (reference, world, call) => {
  if (call.verdict === undefined) return;
  reference.settleAgain(call);
  await settleNow(world, call);
});

async function settleNow(world: World, call: Call): Promise<void> {
  const { step, excess } = call;
  const record = callOf(call.job, { outcome: 'granted', ...call }, call.usedTokens, {
    step,
    excess: excess?.at === 'held' ? { holdId: excess.holdId, tokens: excess.tokens } : undefined,
  });
  const { call: answer } = await world.workers[call.usedTokens % 2 ? 1 : 0].writes.settle({ call: record });
  expect({ verdict: answer?.verdict, billedTokens: answer?.billedTokens }).toEqual(call.verdict);
  if (call.at === 'settled' && answer) call.seen = answer.snapshot;
}

const settleInRedis = over('settle in Redis', callsAt('settled'), async (_, world, call) => {
  const excess = call.excess?.at === 'held' ? [call.excess.holdId] : [];
  await applyToRedis(world.workers[0], call.subscriptionId, call.seen, [call.holdId, ...excess]);
  call.at = 'over';
});

const loseSettlement = over('Redis is never told of a settlement', callsAt('settled'), async (_, _world, call) => {
  call.at = 'over';
});

const reserveAtOnce = over('three reserve at once', anything, async (reference, world, _, size) => {
  await prepareVerb(reference, world);
  const requests = reference.jobs.slice(0, 3).map((job, i) => ({
    job: { ...job },
    step: `whole ${reference.calls.length + i}`,
    wantTokens: 40 * size,
    minTokens: 10 * size,
  }));
  const answers = await Promise.all(
    requests.map(({ job, ...request }, i) => reserve(world.workers[i % 2 ? 1 : 0], requestFor(job, request))),
  );
  const { subscriptionId } = reference.current;
  for (const [i, answer] of answers.entries()) {
    const request = requests[i];
    if (answer.outcome !== 'granted' || request === undefined) continue;
    expect(answer.subscriptionId).toBe(subscriptionId);
    reference.rows.set(answer.holdId, { subscriptionId, tokens: request.wantTokens, isLapsed: false });
    const seen = { tokensGranted: 0, tokensConsumed: 0, version: 0 };
    reference.calls.push({ ...request, ...answer, seen, takeBacksSeen: 0, at: 'running', usedTokens: 0 });
  }
  await forgetSwept(reference);
});

const grant = over('grant', anything, async (reference, world, _, size) => {
  const { accountId } = world;
  const request = { accountId, tokens: 50 * size, reason: 'test', idempotencyKey: newId(), grantedBy: null };
  await Promise.all([grantTokens(world.workers[0], request), grantTokens(world.workers[1], request)]);
  reference.grant(request.tokens);
  // A grant reads the same snapshot as a hydration, and sweeps like it.
  await forgetSwept(reference);
});

const take = over('take', anything, async (reference, world, _, size) => {
  await prepareVerb(reference, world);
  const request = {
    accountId: world.accountId,
    tokens: -30 * size,
    reason: 'test',
    idempotencyKey: newId(),
    grantedBy: null,
  };
  const isTaken = await grantTokens(world.workers[0], request).then(
    () => true,
    (error: { code?: unknown }) => {
      expect(error.code).toBe('conflict');
      return false;
    },
  );
  if (isTaken) {
    reference.takeBack(30 * size);
    await grantTokens(world.workers[1], request);
  }
  await forgetSwept(reference);
});

const lapseInPostgres = over(
  'lease runs out in Postgres',
  callsAt('running', 'intended', 'refused'),
  async (reference, _, call) => {
    // Of a call's two holds, first its own, then the excess.
    const isFirst = reference.rows.get(call.holdId)?.isLapsed === false;
    const holdId = isFirst || call.excess === undefined ? call.holdId : call.excess.holdId;
    await db.pool.query(`update token_holds set expires_at = now() - interval '1 second' where id = $1`, [holdId]);
    const row = reference.rows.get(holdId);
    if (row) row.isLapsed = true;
  },
);

const lapseInRedis = over(
  'lease runs out in Redis',
  callsAt('running', 'intended', 'refused', 'over'),
  async (_, _world, call) => {
    await redis.zadd(keys(call.subscriptionId).holds, 'XX', 1, call.holdId);
  },
);

const sweep = over('maintenance sweeps Postgres', anything, async (reference, world) => {
  world.gone.push(...(await sweepHolds(db, 100)));
  await forgetSwept(reference);
});

const sweepRedis = over('maintenance sweeps Redis', anything, async (_, world) => {
  await removeFromRedis(world.workers[0], world.gone.splice(0));
});

const takeJobOver = over(
  'another worker takes the job over',
  (reference) => reference.jobs,
  async (reference, world, job) => {
    job.fence = await takeOver(billing, job.jobId);
    world.gone.push(...(await deleteHoldsBefore(db, job.jobId, job.fence)));
    for (const call of reference.calls)
      if (call.job.jobId === job.jobId && call.job.fence < job.fence) {
        reference.rows.delete(call.holdId);
        if (call.excess) reference.rows.delete(call.excess.holdId);
      }
  },
);

const forget = over(
  'Redis loses everything',
  (reference) => reference.periods,
  async (_, _world, { subscriptionId }) => {
    await redis.del(...Object.values(keys(subscriptionId)));
  },
);

const restart = over(
  'Redis restarts, and has lost its last hold',
  (reference) => reference.periods,
  async (_, _world, { subscriptionId }) => {
    const { account, holds, sizes, nonce } = keys(subscriptionId);
    const [last] = await redis.zrange(holds, '-1', '-1');
    if (last !== undefined) {
      await redis.hincrby(account, 'held', -Number(await redis.hget(sizes, last)));
      await redis.hdel(sizes, last);
      await redis.zrem(holds, last);
    }
    if (await redis.exists(account)) await redis.hset(account, 'run_id', anotherServer);
    await redis.del(nonce);
  },
);

const flushScripts = over('Redis forgets the scripts', anything, async () => {
  await redis.script('FLUSH');
});

const startNext = over('another period starts', anything, async (reference, { accountId }, _, size) => {
  const tokens = 100 * size;
  const dates = { startsAt: new Date(Date.now() - 1_000), endsAt: new Date(Date.now() + 86_400_000) };
  const period = {
    accountId,
    planId: 'starter',
    tokens,
    status: 'active',
    renews: true,
    ...dates,
    grantedBy: null,
  } as const;
  reference.startPeriod(await startPeriod(db, period), tokens);
});

const endPeriod = over('the period ends', anything, async ({ current }) => {
  await db.pool.query('update subscriptions set ends_at = now(), renews = true where id = $1', [
    current.subscriptionId,
  ]);
});

const carryOver = over('maintenance carries top-ups over', anything, async (reference) => {
  await carryOverRests(db, 100);
  reference.carryOverRests();
});

/** Starts the next period if one is due, as every verb does. */
async function renew(reference: Reference, accountId: string): Promise<void> {
  if (!(await renewPeriod(db, accountId))) return;
  const { rows } = await db.pool.query<{ id: string; tokens: number }>(
    'select id, period_tokens as tokens from subscriptions where account_id = $1 and is_current',
    [accountId],
  );
  if (rows[0]) reference.startPeriod(rows[0].id, rows[0].tokens);
}

/** Call before a verb that runs all its steps: no paused worker of the test may block its hydration. */
async function prepareVerb(reference: Reference, { accountId }: World): Promise<void> {
  await renew(reference, accountId);
  await redis.del(keys(reference.current.subscriptionId).nonce);
}

/** Verbs may hydrate, and a hydration sweeps: removes swept rows from the reference according to Postgres. */
async function forgetSwept(reference: Reference): Promise<void> {
  for (const { subscriptionId } of reference.periods) {
    const { holds } = await inPostgres(billing, subscriptionId);
    for (const [id, row] of reference.rows)
      if (row.subscriptionId === subscriptionId && row.isLapsed && !(id in holds)) reference.rows.delete(id);
  }
}

/** The invariants that must hold after every step of any worker. */
async function compare(reference: Reference): Promise<void> {
  for (const period of reference.periods) {
    const { subscriptionId, granted, consumed } = period;
    const postgres = await inPostgres(billing, subscriptionId);
    const rows = [...reference.rows].filter(([, row]) => row.subscriptionId === subscriptionId);
    const holds = Object.fromEntries(rows.map(([id, { tokens }]) => [id, tokens]));
    expect(postgres).toEqual({ granted, consumed, holds, version: postgres.version });

    const running = reference.callsAt('running').filter(({ holdId }) => holdId in holds);
    const excesses = running.flatMap(({ excess }) => (excess?.at === 'held' && excess.holdId in holds ? [excess] : []));
    const mayBill = [...running, ...excesses].reduce((sum, { tokens }) => sum + tokens, 0);
    expect(consumed + mayBill, 'consumed, and what running calls may bill').toBeLessThanOrEqual(granted);

    const inside = await inRedis(billing, subscriptionId);
    if (inside === undefined) continue;
    expect(inside.held).toBe(Object.values(inside.holds).reduce((sum, tokens) => sum + tokens, 0));
    expect(inside.leased).toEqual(Object.keys(inside.holds).sort());
    expect(inside.version).toBeLessThanOrEqual(postgres.version);
    if (inside.version === postgres.version) expect(inside).toMatchObject({ granted, consumed });
    if ((await redis.hget(keys(subscriptionId).account, 'run_id')) === anotherServer) continue;
    for (const { holdId, tokens } of [...running, ...excesses])
      expect(inside.holds[holdId], 'what Redis holds for a running call').toBeGreaterThanOrEqual(tokens);
  }
}

async function newWorld(): Promise<{ model: Reference; real: World }> {
  const { accountId, subscriptionId } = await newAccount(billing, { tokens: 1_000 });
  const reference = new Reference(await Promise.all([1, 2, 3].map(() => runningJob(billing, accountId))));
  reference.startPeriod(subscriptionId, 1_000);
  const workers: World['workers'] = [createBilling({ ...billing }), createBilling({ ...billing })];
  return { model: reference, real: { accountId, workers, hydrations: [], gone: [] } };
}

/** All workers die and all leases expire; then a hydration and maintenance must restore a consistent state. */
async function recover(reference: Reference, world: World): Promise<void> {
  await db.pool.query(`update token_holds set expires_at = now() - interval '1 second'`);
  await sweepHolds(db, 1_000);
  reference.rows.clear();
  await carryOverRests(db, 100);
  reference.carryOverRests();
  await prepareVerb(reference, world);
  for (const { subscriptionId } of reference.periods) {
    const { holds, nonce } = keys(subscriptionId);
    for (const id of await redis.zrange(holds, '0', '-1')) await redis.zadd(holds, 1, id);
    await redis.del(nonce);
    await hydrate(billing, subscriptionId);
    const postgres = await inPostgres(billing, subscriptionId);
    expect(postgres.holds).toEqual({});
    expect(await inRedis(billing, subscriptionId)).toEqual({ ...postgres, held: 0, leased: [] });
  }
  await compare(reference);
}

it('P2: counts every token once, whatever the order of events', { timeout: 300_000 }, async () => {
  // Weights: mostly protocol steps, and few enough faults that calls make progress.
  const often = [intent, decide, decide, readForHydration, applyHydration, settleInPostgres, settleInRedis];
  const aboveTheHold = [exceed, decideExcess, decideExcess];
  const sometimes = [reserveAtOnce, deleteHold, removeHold, lapseInPostgres, lapseInRedis, forget, restart, grant];
  const seldom = [settleAgain, loseSettlement, take, sweep, sweepRedis, takeJobOver, startNext, endPeriod, carryOver];
  const commands = [
    ...often,
    ...often,
    ...often,
    ...often,
    ...aboveTheHold,
    ...aboveTheHold,
    ...sometimes,
    ...sometimes,
    ...seldom,
    flushScripts,
  ];
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 90, size: 'max' }), async (sequence) => {
      let world: Awaited<ReturnType<typeof newWorld>> | undefined;
      await fc.asyncModelRun(async () => {
        world = await newWorld();
        return world;
      }, sequence);
      if (world) await recover(world.model, world.real);
    }),
    { numRuns: 60 },
  );
  expect(await findings(billing)).toEqual([]);
});
