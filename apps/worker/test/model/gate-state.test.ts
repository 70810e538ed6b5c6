/** The provider's state shared by workers: two gates over the real Redis. */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRedis, newId, redisReady } from '@tally/core';
import { connectDatabase, listAlarms } from '@tally/db';
import { listenForProvider, providerKeys, readProviderRefusals } from '@tally/queue';
import { until } from '@tally/testing';
import { newConfig, testLog } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ModelCallError } from '../../src/model/client.ts';
import { createProviderGate } from '../../src/model/gate.ts';

async function openGates() {
  const config = await newConfig();
  const connect = async (purpose: 'ledger' | 'subscriber') => {
    const redis = connectRedis(config.redisUrls, purpose, () => undefined);
    await redisReady(redis, 5_000);
    onTestFinished(() => redis.disconnect());
    return redis;
  };
  const db = connectDatabase({ url: config.databaseUrl, name: 'test', log: testLog });
  onTestFinished(() => db.close());
  const redis = await connect('ledger');
  const options = { db, redis, keyPrefix: config.redisKeyPrefix, openai: config.openai, log: testLog };
  const [one, other] = [createProviderGate(options), createProviderGate(options)];
  const keys = providerKeys(config.redisKeyPrefix, config.openai);
  const listenForChanges = async (gate: typeof one) =>
    listenForProvider(await connect('subscriber'), config.redisKeyPrefix, gate.invalidate);
  const readEpoch = async () => Number(await redis.hget(keys.state, 'epoch'));
  return { db, redis, one, other, keys, listenForChanges, readEpoch };
}

const newJob = (accountId = newId()) => ({ jobId: newId(), accountId });
const limited = new ModelCallError('rate_limited', { status: 429 });
const wrongKey = new ModelCallError('operator', { status: 401 });
const broken = new ModelCallError('unavailable', { status: 500 });

/** Asks for each job in turn until one is admitted. */
async function firstAdmitted(gate: ReturnType<typeof createProviderGate>, jobs: ReturnType<typeof newJob>[]) {
  for (;;) {
    for (const job of jobs) {
      const admission = await gate.admit(job);
      if (admission.outcome === 'go') return { job, epoch: admission.epoch };
    }
    await sleep(20);
  }
}

describe('workers that share a provider', () => {
  it('are notified of a refusal that another worker met', async () => {
    const { one, other, listenForChanges } = await openGates();
    await listenForChanges(other);
    expect(await other.admit(newJob())).toEqual({ outcome: 'go', epoch: 0 });
    await one.failed(newJob(), 0, wrongKey);
    await until(async () => (await other.admit(newJob())).outcome === 'wait');
  });

  it('block on their own refusal if the notification was lost', async () => {
    const { one, other } = await openGates();
    await other.admit(newJob());
    await one.failed(newJob(), 0, wrongKey);
    expect(await other.admit(newJob())).toEqual({ outcome: 'go', epoch: 0 });
    expect(await other.failed(newJob(), 0, wrongKey)).toMatchObject({ outcome: 'wait', why: 'blocked' });
    expect(await other.admit(newJob())).toMatchObject({ outcome: 'wait', why: 'blocked' });
  });

  it('send no Redis command per call while the provider is open', async () => {
    const { one, redis } = await openGates();
    await one.admit(newJob());
    await one.answered(newJob(), 0);
    redis.disconnect();
    expect(await one.admit(newJob())).toEqual({ outcome: 'go', epoch: 0 });
    await one.answered(newJob(), 0);
  });

  it('start open after Redis lost the state, until the next refusal', async () => {
    const { one, other, keys, redis } = await openGates();
    await one.failed(newJob(), 0, limited);
    expect(await other.admit(newJob())).toMatchObject({ outcome: 'wait', why: 'paced' });
    await redis.del(Object.values(keys));
    expect(await other.admit(newJob())).toEqual({ outcome: 'go', epoch: 0 });
    expect(await other.failed(newJob(), 0, limited)).toMatchObject({ outcome: 'wait', why: 'paced' });
  });

  it('count refusals by kind', async () => {
    const { one, other, keys, redis } = await openGates();
    await one.failed(newJob(), 0, limited);
    await other.failed(newJob(), 0, limited);
    await other.failed(newJob(), 0, wrongKey);
    const refusals = await readProviderRefusals(redis, keys.refusals);
    expect(refusals).toEqual(new Map(Object.entries({ rate_limited: 2, operator: 1 })));
  });
});

describe('paced provider', () => {
  it('admits no burst of turns that passed during a wait', async () => {
    const { one, readEpoch } = await openGates();
    const refusedFor = (retryAfterMs: number) => new ModelCallError('rate_limited', { status: 429, retryAfterMs });
    await one.failed(newJob(), 0, refusedFor(0));
    const jobs = Array.from({ length: 30 }, () => newJob());
    for (const job of jobs) await one.admit(job);
    await one.failed(newJob(), await readEpoch(), refusedFor(4_000));
    await firstAdmitted(one, jobs);
    const together = await Promise.all(jobs.map((job) => one.admit(job)));
    expect(together.filter(({ outcome }) => outcome === 'go').length).toBeLessThan(15);
  });

  it('admits no burst of turns that passed while workers were busy', async () => {
    const { one, keys, redis } = await openGates();
    await one.failed(newJob(), 0, new ModelCallError('rate_limited', { status: 429, retryAfterMs: 0 }));
    const jobs = Array.from({ length: 30 }, () => newJob());
    for (const job of jobs) await one.admit(job);
    for (const job of jobs) await redis.zadd(keys.turns, 'XX', Date.now() - 10, job.jobId);
    const together = await Promise.all(jobs.map((job) => one.admit(job)));
    expect(together.filter(({ outcome }) => outcome === 'go').length).toBeLessThan(15);
  });

  it('gives each account a turn despite another’s backlog', async () => {
    const { one, keys, redis } = await openGates();
    await one.failed(newJob(), 0, limited);
    const busyAccount = newId();
    const jobs = Array.from({ length: 500 }, () => newJob(busyAccount));
    for (const job of jobs) await one.admit(job);
    const turns = await redis.zcard(keys.turns);
    expect(turns).toBeLessThan(jobs.length);
    const job = newJob();
    const admission = await one.admit(job);
    expect(admission).toMatchObject({ outcome: 'wait', why: 'paced' });
    expect(await redis.zscore(keys.turns, job.jobId)).not.toBeNull();
  });

  it('keeps only the oldest turns that fit a reduced rate', async () => {
    const { one, keys, redis, readEpoch } = await openGates();
    const refusedAtOnce = new ModelCallError('rate_limited', { status: 429, retryAfterMs: 0 });
    await one.failed(newJob(), 0, refusedAtOnce);
    const jobs = Array.from({ length: 200 }, () => newJob());
    for (const job of jobs) await one.admit(job);
    const before = await redis.zrange(keys.turns, 0, '-1');
    for (let i = 0; i < 3; i++) await one.failed(newJob(), await readEpoch(), refusedAtOnce);
    const after = await redis.zrange(keys.turns, 0, '-1', 'WITHSCORES');
    const rate = Number(await redis.hget(keys.state, 'rate'));
    const [ids, times] = [after.filter((_, i) => i % 2 === 0), after.filter((_, i) => i % 2 === 1).map(Number)];
    expect(ids).toEqual(before.slice(0, Math.floor(rate * 10)));
    expect((times[1] as number) - (times[0] as number)).toBeCloseTo(1_000 / rate, 0);
  });

  it('halves the rate if no call was answered since the last refusal', async () => {
    const { one, keys, redis, readEpoch } = await openGates();
    await one.failed(newJob(), 0, limited);
    const rate = async () => Number(await redis.hget(keys.state, 'rate'));
    const first = await rate();
    await one.failed(newJob(), await readEpoch(), limited);
    expect(await rate()).toBe(first / 2);
    await one.answered(newJob(), await readEpoch());
    await one.failed(newJob(), await readEpoch(), limited);
    expect(await rate()).toBeCloseTo((first / 2) * 0.8, 5);
  });

  it('restores half the rate with the first answer after refusals', async () => {
    const { one, keys, redis, readEpoch } = await openGates();
    await one.failed(newJob(), 0, limited);
    const rate = async () => Number(await redis.hget(keys.state, 'rate'));
    const first = await rate();
    for (let i = 0; i < 6; i++) await one.failed(newJob(), await readEpoch(), limited);
    expect(await rate()).toBeLessThan(first / 50);
    await one.answered(newJob(), await readEpoch());
    expect(await rate()).toBeCloseTo(first / 2, 5);
    await one.failed(newJob(), await readEpoch(), limited);
    expect(await rate()).toBeCloseTo((first / 2) * 0.8, 5);
  });

  it('waits at most a minute, even with a longer Retry-After', async () => {
    const { one } = await openGates();
    const wait = await one.failed(
      newJob(),
      0,
      new ModelCallError('rate_limited', { status: 429, retryAfterMs: 3_600_000 }),
    );
    expect(wait?.delayMs).toBeLessThanOrEqual(61_000);
  });
});

describe('blocked provider', () => {
  it('stays blocked after an answer to a call before the refusal', async () => {
    const { one, other } = await openGates();
    const early = await other.admit(newJob());
    await one.failed(newJob(), 0, wrongKey);
    other.invalidate();
    await other.answered(newJob(), early.outcome === 'go' ? early.epoch : -1);
    expect(await one.state()).toMatchObject({ mode: 'blocked' });
    const probe = await firstAdmitted(one, [newJob()]);
    await one.answered(probe.job, probe.epoch);
    expect(await one.state()).toEqual({ mode: 'open' });
  });

  it('stays blocked after an answer to an earlier block’s probe', async () => {
    const { one } = await openGates();
    await one.failed(newJob(), 0, wrongKey);
    const [early, late] = [await firstAdmitted(one, [newJob()]), newJob()];
    await one.answered(late, early.epoch);
    expect(await one.state()).toEqual({ mode: 'open' });
    await one.failed(newJob(), 0, wrongKey);
    await one.answered(early.job, early.epoch);
    expect((await one.state()).mode).toBe('blocked');
  });

  it('admits one probe at a time', async () => {
    const { one, other } = await openGates();
    await one.failed(newJob(), 0, wrongKey);
    await firstAdmitted(one, [newJob()]);
    const others = await Promise.all(Array.from({ length: 50 }, () => other.admit(newJob())));
    expect(others.filter(({ outcome }) => outcome === 'go')).toEqual([]);
  });

  it('opens on a slow probe’s answer after a later probe failed', async () => {
    const { one } = await openGates();
    await one.failed(newJob(), 0, wrongKey);
    const slow = await firstAdmitted(one, [newJob()]);
    await one.failed(newJob(), slow.epoch, broken);
    expect((await one.state()).mode).toBe('blocked');
    await one.answered(slow.job, slow.epoch);
    expect((await one.state()).mode).toBe('open');
  });

  it('probes with another account after an error a prompt may cause', async () => {
    const { one } = await openGates();
    await one.failed(newJob(), 0, wrongKey);
    const suspect = newId();
    const probe = await firstAdmitted(one, [newJob(suspect)]);
    await one.failed(probe.job, probe.epoch, broken);
    const waiting = newJob();
    const next = await firstAdmitted(one, [newJob(suspect), newJob(suspect), waiting]);
    expect(next.job).toEqual(waiting);
  });

  it('raises one alarm, which ends with the first answer', async () => {
    const { one, other, db } = await openGates();
    await one.failed(newJob(), 0, wrongKey);
    await other.failed(newJob(), 0, wrongKey);
    expect((await listAlarms(db, 10)).map(({ kind }) => kind)).toEqual(['provider']);
    const probe = await firstAdmitted(other, [newJob()]);
    await other.answered(probe.job, probe.epoch);
    expect(await listAlarms(db, 10)).toEqual([]);
  });
});

describe('operator error that may concern one request', () => {
  const denied = new ModelCallError('operator', { status: 403 });

  it('never blocks while other calls are answered', async () => {
    const { one } = await openGates();
    for (let i = 0; i < 10; i++) {
      expect(await one.failed(newJob(), 0, denied)).toBeUndefined();
      await one.answered(newJob(), 0);
    }
    expect(await one.state()).toEqual({ mode: 'open' });
  });

  it('blocks after three jobs met it and no call was answered', async () => {
    const { one } = await openGates();
    for (let i = 0; i < 3; i++) await one.failed(newJob(), 0, denied);
    expect((await one.state()).mode).toBe('blocked');
  });

  it('blocks at once with a code that only concerns the operator', async () => {
    const { one } = await openGates();
    await one.failed(newJob(), 0, new ModelCallError('operator', { status: 404, code: 'model_not_found' }));
    expect((await one.state()).mode).toBe('blocked');
  });
});

describe('provider errors', () => {
  it.each([
    ['ECONNREFUSED', 'blocked'],
    ['ECONNRESET', 'open'],
  ])('of one job are an outage only without a connection: %s is %s', async (code, mode) => {
    const { one, redis, keys } = await openGates();
    const fault = new ModelCallError('unavailable', { cause: Object.assign(new Error('fetch failed'), { code }) });
    const jobId = newJob();
    for (let i = 0; i < 2; i++) await one.failed(jobId, 0, fault);
    await redis.hset(keys.failing, 'first_at', 1);
    await one.failed(jobId, 0, fault);
    expect((await one.state()).mode).toBe(mode);
  });

  it('are kept longer than a call’s timeout', async () => {
    const { one, keys, redis } = await openGates();
    await one.failed(newJob(), 0, new ModelCallError('timeout'));
    expect(await redis.pttl(keys.failing)).toBeGreaterThan(120_000);
  });

  it('are cleared by an answer to another worker', async () => {
    const { one, other, keys, redis, listenForChanges } = await openGates();
    await listenForChanges(other);
    await other.admit(newJob());
    await other.answered(newJob(), 0);
    await one.failed(newJob(), 0, broken);
    await until(async () => {
      await other.answered(newJob(), 0);
      return (await redis.exists(keys.failing)) === 0;
    });
  });
});
