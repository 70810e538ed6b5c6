import { newId } from '@tally/core';
import { type NewPeriod, startPeriod } from '@tally/db';
import { newAccount } from '@tally/testing';
import { newBilling, newConfig } from '@tally/testing/vitest';
import { afterAll, describe, expect, it } from 'vitest';
import { checkAccess, getBalance, release, reserve, settle } from '../src/index.ts';
import { callOf, hold, inPostgres, inRedis, requestFor, runningJob } from './fixtures/ledger.ts';

const billing = await newBilling(await newConfig(), afterAll);
const day = 86_400_000;
const someJob = () => ({ jobId: newId(), fence: 1 });

/** An account whose subscription differs from a running one of 1,000 tokens by `period`. */
async function accountWith(period: Partial<NewPeriod>): Promise<string> {
  const { accountId } = await newAccount(billing);
  await startPeriod(billing.db, {
    accountId,
    planId: 'starter',
    tokens: 1_000,
    status: 'active',
    renews: false,
    startsAt: new Date(Date.now() - day),
    endsAt: new Date(Date.now() + day),
    grantedBy: null,
    ...period,
  });
  return accountId;
}

describe('reserving tokens', () => {
  it('grants the wanted tokens and shows them as held', async () => {
    const { accountId } = await newAccount(billing, { tokens: 1_000 });
    const reservation = await hold(billing, { accountId, ...someJob() });
    expect(reservation.tokens).toBe(400);
    expect((await getBalance(billing, accountId)).balance).toMatchObject({ heldTokens: 400, remainingTokens: 1_000 });
    await release(billing, reservation);
    expect((await getBalance(billing, accountId)).balance).toMatchObject({ heldTokens: 0, availableTokens: 1_000 });
  });

  it('makes a job wait while others hold the tokens', async () => {
    const { accountId, subscriptionId } = await newAccount(billing, { tokens: 450 });
    const first = await hold(billing, { accountId, ...someJob() });
    expect(await reserve(billing, requestFor({ accountId, ...someJob() }))).toEqual({ outcome: 'wait' });
    expect((await inPostgres(billing, subscriptionId)).holds).toEqual({ [first.holdId]: 400 });
    expect(await inRedis(billing, subscriptionId)).toMatchObject({ held: 400, holds: { [first.holdId]: 400 } });
  });

  it('grants what remains if it reaches the minimum', async () => {
    const { accountId } = await newAccount(billing, { tokens: 150 });
    expect(await reserve(billing, requestFor({ accountId, ...someJob() }))).toMatchObject({ tokens: 150 });
  });

  it('never grants more than there is to concurrent reserves', async () => {
    const { accountId, subscriptionId } = await newAccount(billing, { tokens: 2_000 });
    await release(billing, await hold(billing, { accountId, ...someJob() }));
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => reserve(billing, requestFor({ accountId, ...someJob() }, { minTokens: 400 }))),
    );
    expect(answers.filter(({ outcome }) => outcome === 'granted')).toHaveLength(5);
    expect(answers.filter(({ outcome }) => outcome === 'wait')).toHaveLength(35);
    expect((await inRedis(billing, subscriptionId))?.held).toBe(2_000);
  });

  it('may make a whole first burst wait, but not its oldest retry', async () => {
    const { accountId } = await newAccount(billing, { tokens: 2_000 });
    const burst = await Promise.all(
      Array.from({ length: 20 }, () => reserve(billing, requestFor({ accountId, ...someJob() }, { minTokens: 400 }))),
    );
    const granted = burst.filter(({ outcome }) => outcome === 'granted').length;
    expect(burst.filter(({ outcome }) => outcome === 'wait')).toHaveLength(20 - granted);
    expect(granted).toBeLessThanOrEqual(5);
    // A younger job may have to leave tokens free for a waiting job's ticket.
    if (granted < 5) await hold(billing, { accountId, ...someJob() }, { ageMs: 60_000 });
  });
});

describe('refused accounts get the reason', () => {
  it.each([
    ['no_subscription', async () => (await newAccount(billing)).accountId],
    ['subscription_inactive', () => accountWith({ status: 'inactive' })],
    ['subscription_inactive', () => accountWith({ startsAt: new Date(Date.now() + day / 2) })],
    ['subscription_expired', () => accountWith({ status: 'expired' })],
    ['subscription_expired', () => accountWith({ endsAt: new Date(Date.now() - 1_000) })],
    ['no_tokens_remaining', () => accountWith({ tokens: 99 })],
    ['no_tokens_remaining', () => accountWith({ tokens: 0 })],
  ])('%s', async (reason, newRefused) => {
    const accountId = await newRefused();
    expect(await checkAccess(billing, { accountId, estimatedTokens: 100, task: 'ask-question' })).toMatchObject({
      has_access: false,
      reason,
    });
    expect(await reserve(billing, requestFor({ accountId, ...someJob() }))).toMatchObject({
      outcome: 'refused',
      reason,
    });
    const { rows } = await billing.db.pool.query('select from token_holds where account_id = $1', [accountId]);
    expect(rows).toHaveLength(0);
  });

  it('are not refused because running jobs hold the tokens', async () => {
    const { accountId } = await newAccount(billing, { tokens: 400 });
    const job = await runningJob(billing, accountId);
    const reservation = await hold(billing, job);
    expect(await checkAccess(billing, { accountId, estimatedTokens: 400, task: 'ask-question' })).toMatchObject({
      has_access: true,
    });
    await settle(billing, { call: callOf(job, reservation, 400) });
    expect(await checkAccess(billing, { accountId, estimatedTokens: 1, task: 'ask-question' })).toMatchObject({
      reason: 'no_tokens_remaining',
    });
  });
});
