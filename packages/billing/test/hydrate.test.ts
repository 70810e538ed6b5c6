import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId, redisReady, runScript } from '@tally/core';
import { readHydration } from '@tally/db';
import { newAccount } from '@tally/testing';
import { newBilling, newConfig } from '@tally/testing/vitest';
import { afterAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { startRedis } from '../../embedded/src/redis.ts';
import { type Billing, release, repairRedis, reserve, settle } from '../src/index.ts';
import { keysOf, scripts } from '../src/scripts.ts';
import {
  callOf,
  type Granted,
  goneFromRedis,
  hold,
  inPostgres,
  inRedis,
  requestFor,
  runningJob,
} from './fixtures/ledger.ts';

const billing = await newBilling(await newConfig(), afterAll);

let accountId: string;
let subscriptionId: string;
const keys = (ledger: Billing = billing) => keysOf(ledger.keyPrefix, subscriptionId);
const someJob = () => ({ accountId, jobId: newId(), fence: 1 });

/** The three steps of hydrate(), so that a test can pause between them. */
function slowHydration(ledger: Billing) {
  const nonce = newId();
  let expired: string[] = [];
  let snapshot: Awaited<ReturnType<typeof readHydration>>;
  return {
    async begin(): Promise<boolean> {
      const answer = await runScript(
        ledger.redis,
        scripts.hydrateBegin,
        [keys(ledger).nonce, keys(ledger).holds],
        [nonce, 5_000],
      );
      const [isOurs, ...ids] = answer as [number, ...string[]];
      expired = ids;
      return isOurs === 1;
    },
    async read(): Promise<void> {
      snapshot = await readHydration(ledger.db, subscriptionId);
    },
    async apply(): Promise<unknown> {
      const { account, holds, sizes, nonce: nonceKey } = keys(ledger);
      const live = snapshot.holds.map(({ id, tokens, leaseMs }) => [id, tokens, leaseMs]);
      return runScript(
        ledger.redis,
        scripts.hydrateApply,
        [account, holds, sizes, nonceKey],
        [
          nonce,
          snapshot.tokensGranted,
          snapshot.tokensConsumed,
          snapshot.version,
          JSON.stringify(expired),
          JSON.stringify(live),
        ],
      );
    },
  };
}

const expireInRedis = ({ holdId }: Granted) => billing.redis.zadd(keys().holds, 1, holdId);
const expireInPostgres = ({ holdId }: Granted) =>
  billing.db.pool.query(`update token_holds set expires_at = now() - interval '1 second' where id = $1`, [holdId]);
const forget = () => billing.redis.del(...Object.values(keys()));

beforeEach(async () => {
  ({ accountId, subscriptionId } = await newAccount(billing, { tokens: 1_000 }));
});

describe('hydrating a lost account', () => {
  it('restores its balance and the holds of running calls', async () => {
    const job = await runningJob(billing, accountId);
    const used = await hold(billing, job);
    await settle(billing, { call: callOf(job, used, 250) });
    await goneFromRedis(billing, used);
    const held = await hold(billing, job, { step: 'second', wantTokens: 500 });
    await forget();
    expect(await reserve(billing, requestFor(someJob(), { minTokens: 251 }))).toEqual({ outcome: 'wait' });
    expect(await inRedis(billing, subscriptionId)).toMatchObject({
      granted: 1_000,
      consumed: 250,
      holds: { [held.holdId]: 500 },
    });
  });

  it('is done by one worker while the others wait', async () => {
    const slow = slowHydration(billing);
    expect(await slow.begin()).toBe(true);
    expect(await slowHydration(billing).begin()).toBe(false);
    const waiting = hold(billing, someJob());
    await slow.read();
    expect(await slow.apply()).toBe(1);
    expect((await waiting).tokens).toBe(400);
  });

  it('ignores what a worker read before it lost the right', async () => {
    const late = slowHydration(billing);
    await late.begin();
    await late.read();
    await billing.redis.del(keys().nonce);
    const held = await hold(billing, someJob());
    await forget();
    const other = slowHydration(billing);
    await other.begin();
    expect(await late.apply()).toBe(0);
    await other.read();
    expect(await other.apply()).toBe(1);
    expect((await inRedis(billing, subscriptionId))?.holds).toEqual({ [held.holdId]: 400 });
  });

  it('does not count the reserving worker’s own intent against it', async () => {
    const slow = slowHydration(billing);
    await slow.begin();
    const wantsAll = hold(billing, someJob(), { wantTokens: 1_000 });
    await expect.poll(async () => Object.keys((await inPostgres(billing, subscriptionId)).holds).length).toBe(1);
    await slow.read();
    await slow.apply();
    expect((await wantsAll).tokens).toBe(1_000);
    expect((await inRedis(billing, subscriptionId))?.held).toBe(1_000);
  });
});

describe('an expired lease', () => {
  it('in both stores frees the tokens; the late call is not billed', async () => {
    const job = await runningJob(billing, accountId);
    const paused = await hold(billing, job, { wantTokens: 1_000 });
    await expireInRedis(paused);
    await expireInPostgres(paused);
    const next = await hold(billing, someJob(), { wantTokens: 1_000 });
    expect(next.tokens).toBe(1_000);
    expect((await settle(billing, { call: callOf(job, paused, 800) })).call).toMatchObject({ verdict: 'unbilled' });
    expect((await inPostgres(billing, subscriptionId)).consumed).toBe(0);
  });

  it('in Redis only is renewed from Postgres', async () => {
    const held = await hold(billing, someJob(), { wantTokens: 1_000 });
    await expireInRedis(held);
    expect(await reserve(billing, requestFor(someJob()))).toEqual({ outcome: 'wait' });
    const lease = await billing.redis.zscore(keys().holds, held.holdId);
    expect(Number(lease)).toBeGreaterThan(Date.now() + 500_000);
  });

  it('in Postgres only holds in Redis until it expires there', async () => {
    const held = await hold(billing, someJob(), { wantTokens: 1_000 });
    await expireInPostgres(held);
    const next = someJob();
    expect(await reserve(billing, requestFor(next, { wantTokens: 1_000 }))).toEqual({ outcome: 'wait' });
    await expireInRedis(held);
    expect((await hold(billing, next, { wantTokens: 1_000 })).tokens).toBe(1_000);
  });

  it('that expires during a hydration is left to the next one', async () => {
    const [first, second] = [await hold(billing, someJob()), await hold(billing, someJob())];
    await expireInRedis(first);
    await expireInPostgres(first);
    const slow = slowHydration(billing);
    await slow.begin();
    await slow.read();
    await expireInRedis(second);
    await slow.apply();
    expect((await inRedis(billing, subscriptionId))?.holds).toEqual({ [second.holdId]: 400 });
  });
});

describe('the ledger in Redis', () => {
  it('survives a script flush', async () => {
    await hold(billing, someJob());
    await billing.redis.script('FLUSH');
    expect((await hold(billing, someJob())).tokens).toBe(400);
  });

  it('hydrates an account written by another server process', async () => {
    const held = await hold(billing, someJob());
    await billing.redis.hset(keys().account, { run_id: 'f'.repeat(40), granted: 9_999, held: 0 });
    await billing.redis.del(keys().sizes, keys().holds);
    expect((await hold(billing, someJob())).tokens).toBe(400);
    expect(await inRedis(billing, subscriptionId)).toMatchObject({
      granted: 1_000,
      held: 800,
      holds: { [held.holdId]: 400 },
    });
  });

  it('is rebuilt by a repair despite a running hydration', async () => {
    const held = await hold(billing, someJob());
    const slow = slowHydration(billing);
    await slow.begin();
    await slow.read();
    await billing.redis.hset(keys().account, 'held', 7);
    await repairRedis(billing, subscriptionId);
    expect(await slow.apply()).toBe(0);
    const next = await hold(billing, someJob());
    expect(await inRedis(billing, subscriptionId)).toMatchObject({
      held: 800,
      holds: { [held.holdId]: 400, [next.holdId]: 400 },
    });
  });
});

describe('a restart of Redis', () => {
  /** The ledger over its own Redis, which the test can restart. */
  async function withOwnRedis() {
    const dataDir = await mkdtemp(join(tmpdir(), 'tally-billing-'));
    onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
    const redis = await startRedis({ dataDir, persist: true });
    onTestFinished(() => redis.stop());
    const ledger = await newBilling(await newConfig({ REDIS_URL: redis.url }));
    ({ accountId, subscriptionId } = await newAccount(ledger, { tokens: 1_000 }));
    const restart = async (options: { keepData: boolean }) => {
      await redis.restart(options);
      await redisReady(ledger.redis, 10_000);
    };
    return { ledger, restart };
  }

  it.each([true, false])('grants no token twice (data kept: %s)', async (keepData) => {
    const { ledger, restart } = await withOwnRedis();
    const held = await hold(ledger, someJob(), { wantTokens: 700 });
    await restart({ keepData });
    expect(await reserve(ledger, requestFor(someJob(), { minTokens: 301 }))).toEqual({ outcome: 'wait' });
    expect((await inRedis(ledger, subscriptionId))?.holds).toEqual({ [held.holdId]: 700 });
  });

  it('invalidates a hydration begun before it', async () => {
    const { ledger, restart } = await withOwnRedis();
    const stuck = await hold(ledger, someJob(), { wantTokens: 100 });
    await ledger.redis.zadd(keys(ledger).holds, 1, stuck.holdId);
    const slow = slowHydration(ledger);
    await slow.begin();
    await slow.read();
    await release(ledger, stuck);
    // No lease is expired any more, so this reserve needs no hydration, and the slow one does not include it.
    const unseen = await hold(ledger, someJob(), { wantTokens: 1_000 });
    await restart({ keepData: true });
    await slow.apply();
    expect(await reserve(ledger, requestFor(someJob()))).toEqual({ outcome: 'wait' });
    expect((await inRedis(ledger, subscriptionId))?.holds).toEqual({ [unseen.holdId]: 1_000 });
  });
});
