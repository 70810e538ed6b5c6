/** The provider's state as several workers share it: two gates over the real Redis. */
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
  const hearNews = async (gate: typeof one) =>
    listenForProvider(await connect('subscriber'), config.redisKeyPrefix, gate.invalidate);
  const readEpoch = async () => Number(await redis.hget(keys.state, 'epoch'));
  return { db, redis, one, other, keys, hearNews, readEpoch };
}

const newJob = (accountId = newId()) => ({ jobId: newId(), accountId });
const limited = new ModelCallError('rate_limited', { status: 429 });
const wrongKey = new ModelCallError('operator', { status: 401 });
const broken = new ModelCallError('unavailable', { status: 500 });

/** Asks for each of the jobs in turn until one may call. */
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
  it('hear of a refusal that another one met', async () => {
    const { one, other, hearNews } = await openGates();
    await hearNews(other);
    expect(await other.admit(newJob())).toEqual({ outcome: 'go', epoch: 0 });
    await one.failed(newJob(), 0, wrongKey);
    await until(async () => (await other.admit(newJob())).outcome === 'wait');
  });

  it('learn by their own refusal where the news was lost, and wait no longer for it', async () => {
    const { one, other } = await openGates();
    await other.admit(newJob());
    await one.failed(newJob(), 0, wrongKey);
    expect(await other.admit(newJob())).toEqual({ outcome: 'go', epoch: 0 });
    expect(await other.failed(newJob(), 0, wrongKey)).toMatchObject({ outcome: 'wait', why: 'blocked' });
    expect(await other.admit(newJob())).toMatchObject({ outcome: 'wait', why: 'blocked' });
  });

  it('send no command for a call while the provider is open', async () => {
    const { one, redis } = await openGates();
    await one.admit(newJob());
    await one.answered(newJob(), 0);
    redis.disconnect();
    expect(await one.admit(newJob())).toEqual({ outcome: 'go', epoch: 0 });
    await one.answered(newJob(), 0);
  });

  it('find everything open after Redis was emptied, and closed by the next refusal', async () => {
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

describe('a pace', () => {
  it('lets one call at a time through after a wait, not all whose turns fell into it', async () => {
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

  it('makes no burst of turns that passed while their workers were busy', async () => {
    const { one, keys, redis } = await openGates();
    await one.failed(newJob(), 0, new ModelCallError('rate_limited', { status: 429, retryAfterMs: 0 }));
    const jobs = Array.from({ length: 30 }, () => newJob());
    for (const job of jobs) await one.admit(job);
    for (const job of jobs) await redis.zadd(keys.turns, 'XX', Date.now() - 10, job.jobId);
    const together = await Promise.all(jobs.map((job) => one.admit(job)));
    expect(together.filter(({ outcome }) => outcome === 'go').length).toBeLessThan(15);
  });

  it('gives a turn to an account that has none, whatever the backlog of another', async () => {
    const { one, keys, redis } = await openGates();
    await one.failed(newJob(), 0, limited);
    const crowd = newId();
    const jobs = Array.from({ length: 500 }, () => newJob(crowd));
    for (const job of jobs) await one.admit(job);
    const turns = await redis.zcard(keys.turns);
    expect(turns).toBeLessThan(jobs.length);
    const job = newJob();
    const admission = await one.admit(job);
    expect(admission).toMatchObject({ outcome: 'wait', why: 'paced' });
    expect(await redis.zscore(keys.turns, job.jobId)).not.toBeNull();
  });

  it('keeps no more turns than it has time for once it falls, the oldest first', async () => {
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

  it('falls by half where nothing was answered since the last refusal', async () => {
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

  it('is back at half of what it was with the first answer after refusals of everything', async () => {
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

  it('waits a minute at most before it asks again, whatever Retry-After says', async () => {
    const { one } = await openGates();
    const wait = await one.failed(
      newJob(),
      0,
      new ModelCallError('rate_limited', { status: 429, retryAfterMs: 3_600_000 }),
    );
    expect(wait?.delayMs).toBeLessThanOrEqual(61_000);
  });
});

describe('a blocked provider', () => {
  it('is not opened by an answer to a call from before the refusal', async () => {
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

  it('is not opened by an answer to a probe of an earlier block', async () => {
    const { one } = await openGates();
    await one.failed(newJob(), 0, wrongKey);
    const [early, late] = [await firstAdmitted(one, [newJob()]), newJob()];
    await one.answered(late, early.epoch);
    expect(await one.state()).toEqual({ mode: 'open' });
    await one.failed(newJob(), 0, wrongKey);
    await one.answered(early.job, early.epoch);
    expect((await one.state()).mode).toBe('blocked');
  });

  it('lets one probe through at a time', async () => {
    const { one, other } = await openGates();
    await one.failed(newJob(), 0, wrongKey);
    await firstAdmitted(one, [newJob()]);
    const others = await Promise.all(Array.from({ length: 50 }, () => other.admit(newJob())));
    expect(others.filter(({ outcome }) => outcome === 'go')).toEqual([]);
  });

  it('is opened by a slow probe, although a later one has failed meanwhile', async () => {
    const { one } = await openGates();
    await one.failed(newJob(), 0, wrongKey);
    const slow = await firstAdmitted(one, [newJob()]);
    await one.failed(newJob(), slow.epoch, broken);
    expect((await one.state()).mode).toBe('blocked');
    await one.answered(slow.job, slow.epoch);
    expect((await one.state()).mode).toBe('open');
  });

  it('takes its next probe from another account after an error that may be a prompt’s', async () => {
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

describe('a refusal by status alone', () => {
  const denied = new ModelCallError('operator', { status: 403 });

  it('blocks nothing while others are answered, however often it comes', async () => {
    const { one } = await openGates();
    for (let i = 0; i < 10; i++) {
      expect(await one.failed(newJob(), 0, denied)).toBeUndefined();
      await one.answered(newJob(), 0);
    }
    expect(await one.state()).toEqual({ mode: 'open' });
  });

  it('blocks where three jobs meet it and none is answered', async () => {
    const { one } = await openGates();
    for (let i = 0; i < 3; i++) await one.failed(newJob(), 0, denied);
    expect((await one.state()).mode).toBe('blocked');
  });

  it('blocks at once with a code that can only be the operator’s', async () => {
    const { one } = await openGates();
    await one.failed(newJob(), 0, new ModelCallError('operator', { status: 404, code: 'model_not_found' }));
    expect((await one.state()).mode).toBe('blocked');
  });
});

describe('errors of the provider’s own', () => {
  it.each([
    ['ECONNREFUSED', 'blocked'],
    ['ECONNRESET', 'open'],
  ])('of one job alone are an outage where it could not connect: %s is %s', async (code, mode) => {
    const { one, redis, keys } = await openGates();
    const fault = new ModelCallError('unavailable', { cause: Object.assign(new Error('fetch failed'), { code }) });
    const jobId = newJob();
    for (let i = 0; i < 2; i++) await one.failed(jobId, 0, fault);
    await redis.hset(keys.failing, 'first_at', 1);
    await one.failed(jobId, 0, fault);
    expect((await one.state()).mode).toBe(mode);
  });

  it('are remembered for longer than a call takes until it times out', async () => {
    const { one, keys, redis } = await openGates();
    await one.failed(newJob(), 0, new ModelCallError('timeout'));
    expect(await redis.pttl(keys.failing)).toBeGreaterThan(120_000);
  });

  it('are forgotten with an answer that another worker got', async () => {
    const { one, other, keys, redis, hearNews } = await openGates();
    await hearNews(other);
    await other.admit(newJob());
    await other.answered(newJob(), 0);
    await one.failed(newJob(), 0, broken);
    await until(async () => {
      await other.answered(newJob(), 0);
      return (await redis.exists(keys.failing)) === 0;
    });
  });
});
