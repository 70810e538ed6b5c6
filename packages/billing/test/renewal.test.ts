import { newId } from '@tally/core';
import { carryOverRests, listRenewalsDue, renewPeriod, startPeriod } from '@tally/db';
import { newAccount } from '@tally/testing';
import { newBilling, newConfig } from '@tally/testing/vitest';
import { afterAll, describe, expect, it } from 'vitest';
import { getBalance, grantTokens, reserve, settle } from '../src/index.ts';
import { callOf, findings, goneFromRedis, hold, inPostgres, requestFor, runningJob } from './fixtures/ledger.ts';

const billing = await newBilling(await newConfig(), afterAll);
const { db } = billing;
const day = 86_400_000;

const daysAgo = (days: number) => new Date(Date.now() - days * day);

/** An account whose period of 1,000 tokens began and ends when the test says, with a top-up of 500. */
async function accountWithTopUp({ startsAt = daysAgo(1), endsAt = daysAgo(-1), renews = true, topUp = 500 } = {}) {
  const { accountId } = await newAccount(billing);
  const first = { accountId, planId: 'starter', tokens: 1_000, status: 'active' as const, renews, grantedBy: null };
  const subscriptionId = await startPeriod(db, { ...first, startsAt, endsAt });
  if (topUp > 0) await topUpBy(accountId, topUp);
  const startNext = () => startPeriod(db, { ...first, startsAt: new Date(), endsAt: daysAgo(-30) });
  return { accountId, subscriptionId, startNext };
}

const topUpBy = (accountId: string, tokens: number) =>
  grantTokens(billing, { accountId, tokens, reason: 'test', idempotencyKey: newId(), grantedBy: null });
const endNow = (subscriptionId: string) =>
  db.pool.query(`update subscriptions set ends_at = now() where id = $1`, [subscriptionId]);

async function use(accountId: string, tokens: number): Promise<void> {
  const job = await runningJob(billing, accountId);
  const reservation = await hold(billing, job, { wantTokens: tokens });
  await settle(billing, { call: callOf(job, reservation, tokens) });
  await goneFromRedis(billing, reservation);
}

const grantedTo = async (accountId: string) => (await getBalance(billing, accountId)).balance.grantedTokens;

describe('a period that has ended and renews', () => {
  it('is followed by one that starts where it ended, whoever looks first', async () => {
    const endsAt = daysAgo(1);
    const { accountId } = await accountWithTopUp({ startsAt: daysAgo(31), endsAt, topUp: 0 });
    const { subscription, refusal } = await getBalance(billing, accountId);
    expect(refusal).toBeNull();
    expect(subscription).toMatchObject({ startsAt: endsAt, endsAt: new Date(endsAt.getTime() + 30 * day) });
  });

  it('keeps its borders where they were, however late anybody looks', async () => {
    const endsAt = daysAgo(75);
    const { accountId } = await accountWithTopUp({ startsAt: daysAgo(105), endsAt, topUp: 0 });
    expect((await getBalance(billing, accountId)).subscription).toMatchObject({
      startsAt: new Date(endsAt.getTime() + 60 * day),
      endsAt: new Date(endsAt.getTime() + 90 * day),
    });
  });

  it('is renewed by the job that meets it, and once when many do', async () => {
    const { accountId, subscriptionId } = await accountWithTopUp({ topUp: 0 });
    await endNow(subscriptionId);
    expect(await listRenewalsDue(db, 100)).toContain(accountId);
    const answers = await Promise.all(
      Array.from({ length: 4 }, () =>
        reserve(billing, requestFor({ accountId, jobId: newId(), fence: 1 }, { wantTokens: 100 })),
      ),
    );
    expect(answers.filter(({ outcome }) => outcome === 'refused')).toEqual([]);
    expect(await renewPeriod(db, accountId)).toBe(false);
    const { rows } = await db.pool.query('select from subscriptions where account_id = $1', [accountId]);
    expect(rows).toHaveLength(2);
  });

  it('gives its top-ups to the next one, while what is left of the plan is gone', async () => {
    const { accountId, subscriptionId } = await accountWithTopUp();
    await use(accountId, 200);
    await endNow(subscriptionId);
    expect((await getBalance(billing, accountId)).balance).toMatchObject({ grantedTokens: 1_500, consumedTokens: 0 });
  });

  it('gives only those top-ups that were not used', async () => {
    const { accountId, subscriptionId } = await accountWithTopUp();
    await use(accountId, 1_200);
    await endNow(subscriptionId);
    expect(await grantedTo(accountId)).toBe(1_300);
  });

  it('that does not renew is expired', async () => {
    const { accountId, subscriptionId } = await accountWithTopUp({ renews: false });
    await endNow(subscriptionId);
    expect(await getBalance(billing, accountId)).toMatchObject({
      refusal: 'subscription_expired',
      isRenewalDue: false,
    });
  });
});

describe('a call that runs across the border', () => {
  it('is billed to the period that it was reserved in', async () => {
    const { accountId, subscriptionId, startNext } = await accountWithTopUp();
    const job = await runningJob(billing, accountId);
    const reservation = await hold(billing, job);
    const next = await startNext();
    expect((await settle(billing, { call: callOf(job, reservation, 300) })).call).toMatchObject({
      verdict: 'billed',
      subscriptionId,
    });
    expect((await inPostgres(billing, subscriptionId)).consumed).toBe(300);
    expect((await inPostgres(billing, next)).consumed).toBe(0);
    expect((await hold(billing, job, { step: 'second' })).subscriptionId).toBe(next);
  });

  it('keeps back the top-ups it may still use, and the rest of them follows when it has ended', async () => {
    const { accountId, startNext } = await accountWithTopUp();
    await use(accountId, 900);
    const job = await runningJob(billing, accountId);
    const reservation = await hold(billing, job);
    const next = await startNext();
    expect((await inPostgres(billing, next)).granted).toBe(1_200);
    await carryOverRests(db, 100);
    expect((await inPostgres(billing, next)).granted).toBe(1_200);
    await settle(billing, { call: callOf(job, reservation, 100) });
    await carryOverRests(db, 100);
    expect((await inPostgres(billing, next)).granted).toBe(1_500);
    expect(await carryOverRests(db, 100)).toBe(0);
    expect((await inPostgres(billing, next)).granted).toBe(1_500);
  });

  it('and begins while the border is being drawn is paid for by one of the two periods, not by both', async () => {
    const { accountId, subscriptionId } = await accountWithTopUp();
    await use(accountId, 1_000);
    const next = newId();
    const border = await db.pool.connect();
    const job = await runningJob(billing, accountId);
    try {
      await border.query('begin');
      await border.query(
        `select start_period($1, $2, 'starter', 0, 'active', false, now(), now() + interval '1 day', null)`,
        [next, accountId],
      );
      const reserving = hold(billing, job, { wantTokens: 500 });
      await expect.poll(() => isAnybodyBlocked()).toBe(true);
      await border.query('commit');
      const reservation = await reserving;
      expect(reservation).toMatchObject({ subscriptionId: next, tokens: 500 });
      await settle(billing, { call: callOf(job, reservation, 500) });
    } finally {
      await border.query('rollback').catch(() => undefined);
      border.release();
    }
    expect((await inPostgres(billing, subscriptionId)).consumed).toBe(1_000);
    expect((await getBalance(billing, accountId)).balance).toMatchObject({ remainingTokens: 0 });
  });

  it('neither loses nor doubles top-ups, however its end meets the border', async () => {
    for (let round = 0; round < 20; round++) {
      const { accountId, startNext } = await accountWithTopUp();
      await use(accountId, 1_000);
      const job = await runningJob(billing, accountId);
      const reservation = await hold(billing, job, { wantTokens: 500 });
      const [next] = await Promise.all([startNext(), settle(billing, { call: callOf(job, reservation, 100) })]);
      await carryOverRests(db, 100);
      expect((await inPostgres(billing, next)).granted).toBe(1_400);
    }
  });
});

describe('top-ups that follow late', () => {
  it('reach the period that is current by then, also where that one is just ending', async () => {
    const { accountId, startNext } = await accountWithTopUp();
    await use(accountId, 900);
    const job = await runningJob(billing, accountId);
    const reservation = await hold(billing, job);
    await startNext();
    await settle(billing, { call: callOf(job, reservation, 100) });
    const third = newId();
    const border = await db.pool.connect();
    try {
      await border.query('begin');
      await border.query(
        `select start_period($1, $2, 'starter', 1000, 'active', false, now(), now() + interval '1 day', null)`,
        [third, accountId],
      );
      const following = carryOverRests(db, 100);
      await expect.poll(() => isAnybodyBlocked()).toBe(true);
      await border.query('commit');
      await following;
    } finally {
      await border.query('rollback').catch(() => undefined);
      border.release();
    }
    await carryOverRests(db, 100);
    expect((await inPostgres(billing, third)).granted).toBe(1_500);
  });
});

describe('all these periods', () => {
  it('leave nothing for the audit to find', async () => {
    await expect.poll(() => findings(billing)).toEqual([]);
  });
});

/** Whether any connection to this database waits for a lock. */
async function isAnybodyBlocked(): Promise<boolean> {
  const { rows } = await db.pool.query(
    'select from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0',
  );
  return rows.length > 0;
}
