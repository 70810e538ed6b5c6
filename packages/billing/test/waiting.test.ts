import { newId } from '@tally/core';
import { newAccount } from '@tally/testing';
import { newBilling, newConfig } from '@tally/testing/vitest';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { release, reserve } from '../src/index.ts';
import { keysOf } from '../src/scripts.ts';
import { type Granted, hold, inPostgres, requestFor } from './fixtures/ledger.ts';

const billing = await newBilling(await newConfig(), afterAll);

let accountId: string;
let subscriptionId: string;
let holds: Granted[];
/** Wants 900 of 1,000 tokens and accepts 500; older than all small jobs. */
const big = { jobId: newId(), wantTokens: 900, minTokens: 500, ageMs: 60_000 };
const small = { wantTokens: 300, minTokens: 300, ageMs: 0 };

const ask = (changes: object) => reserve(billing, requestFor({ accountId, jobId: newId(), fence: 1 }, changes));
const ticket = (changes: Record<string, number>) =>
  billing.redis.hset(keysOf(billing.keyPrefix, subscriptionId).account, changes);

describe('P5: a large job among small ones', () => {
  beforeEach(async () => {
    ({ accountId, subscriptionId } = await newAccount(billing, { tokens: 1_000 }));
    holds = [];
    for (let i = 0; i < 3; i++) holds.push(await hold(billing, { accountId, jobId: newId(), fence: 1 }, small));
  });
  const free = async () => release(billing, holds.pop() as Granted);

  it('waits once; then younger jobs leave it its tokens', async () => {
    expect(await ask(big)).toEqual({ outcome: 'wait' });
    await free();
    expect(await ask(small)).toEqual({ outcome: 'wait' });
    await free();
    expect(await ask(small)).toEqual({ outcome: 'wait' });
    await free();
    expect(await ask(big)).toMatchObject({ outcome: 'granted', tokens: 900 });
  });

  it('takes what is free after 5 s if it reaches the minimum', async () => {
    await ask(big);
    await free();
    await ticket({ ticket_since: 1 });
    expect(await ask(big)).toEqual({ outcome: 'wait' });
    await free();
    expect(await ask(big)).toMatchObject({ outcome: 'granted', tokens: 700 });
  });

  it('takes no less than it wants before that', async () => {
    await ask(big);
    await free();
    await free();
    expect(await ask(big)).toEqual({ outcome: 'wait' });
  });

  it('does not delay an older job', async () => {
    await ask(big);
    await free();
    expect(await ask({ ...small, ageMs: 120_000 })).toMatchObject({ outcome: 'granted', tokens: 300 });
  });

  it('loses its ticket to an older waiting job', async () => {
    await ask(big);
    expect(await ask({ ...big, jobId: newId(), ageMs: 120_000 })).toEqual({ outcome: 'wait' });
    await free();
    await free();
    await ticket({ ticket_since: 1 });
    expect(await ask(big)).toEqual({ outcome: 'wait' });
  });

  it('keeps its ticket only while it retries', async () => {
    await ask(big);
    await free();
    await ticket({ ticket_until: 1 });
    expect(await ask(small)).toMatchObject({ outcome: 'granted' });
  });

  it('keeps no tokens free once it has its own', async () => {
    await ask(big);
    for (let i = 0; i < 3; i++) await free();
    const granted = await hold(billing, { accountId, jobId: big.jobId, fence: 1 }, big);
    await release(billing, granted);
    expect(await ask(small)).toMatchObject({ outcome: 'granted' });
  });

  it('is served despite a stream of small jobs', async () => {
    expect(await ask(big)).toEqual({ outcome: 'wait' });
    await ticket({ ticket_since: 1 });
    let rounds = 0;
    for (let served = false; !served && rounds < 20; rounds++) {
      const taken = await ask(small);
      if (taken.outcome === 'granted') holds.push(taken);
      served = (await ask(big)).outcome === 'granted';
      await free();
    }
    // Two of the three small holds had to end, because 700 tokens suffice.
    expect(rounds).toBe(3);
  });
});

describe('a waiting account', () => {
  it('asks only Redis until tokens are free', async () => {
    ({ accountId, subscriptionId } = await newAccount(billing, { tokens: 400 }));
    const first = await hold(billing, { accountId, jobId: newId(), fence: 1 });
    const waiter = { jobId: newId() };
    expect(await ask(waiter)).toEqual({ outcome: 'wait' });
    const client = await billing.db.pool.connect();
    try {
      await client.query('begin');
      await client.query('lock table token_holds in exclusive mode');
      expect(await ask(waiter)).toEqual({ outcome: 'wait' });
      await client.query('rollback');
    } finally {
      client.release();
    }
    await release(billing, first);
    expect(await ask(waiter)).toMatchObject({ outcome: 'granted' });
    expect(Object.keys((await inPostgres(billing, subscriptionId)).holds)).toHaveLength(1);
  });
});
