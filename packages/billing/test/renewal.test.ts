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

/** An account with a period of 1,000 tokens between the given dates, and a top-up of 500. */
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

describe('an ended period that renews', () => {
  it('is followed by one that starts where it ended', async () => {
    const endsAt = daysAgo(1);
    const { accountId } = await accountWithTopUp({ startsAt: daysAgo(31), endsAt, topUp: 0 });
    const { subscription, refusal } = await getBalance(billing, accountId);
    expect(refusal).toBeNull();
    expect(subscription).toMatchObject({ startsAt: endsAt, endsAt: new Date(endsAt.getTime() + 30 * day) });
  });

  it('keeps its boundaries, however late it is renewed', async () => {
    const endsAt = daysAgo(75);
    const { accountId } = await accountWithTopUp({ startsAt: daysAgo(105), endsAt, topUp: 0 });
    expect((await getBalance(billing, accountId)).subscription).toMatchObject({
      startsAt: new Date(endsAt.getTime() + 60 * day),
      endsAt: new Date(endsAt.getTime() + 90 * day),
    });
  });

  it('is renewed once by concurrent reserves', async () => {
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

  it('carries top-ups over, but no plan tokens', async () => {
    const { accountId, subscriptionId } = await accountWithTopUp();
    await use(accountId, 200);
    await endNow(subscriptionId);
    expect((await getBalance(billing, accountId)).balance).toMatchObject({ grantedTokens: 1_500, consumedTokens: 0 });
  });

  it('carries over only unused top-ups', async () => {
    const { accountId, subscriptionId } = await accountWithTopUp();
    await use(accountId, 1_200);
    await endNow(subscriptionId);
    expect(await grantedTo(accountId)).toBe(1_300);
  });

  it('is expired if it does not renew', async () => {
    const { accountId, subscriptionId } = await accountWithTopUp({ renews: false });
    await endNow(subscriptionId);
    expect(await getBalance(billing, accountId)).toMatchObject({
      refusal: 'subscription_expired',
      isRenewalDue: false,
    });
  });
});

describe('a call across the end of a period', () => {
  it('is billed to the period of its reservation', async () => {
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

  it('delays the top-ups it may still use until it has ended', async () => {
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

  it('is paid by one period if it reserves during the change', async () => {
    const { accountId, subscriptionId } = await accountWithTopUp();
    await use(accountId, 1_000);
    const next = newId();
    const transaction = await db.pool.connect();
    const job = await runningJob(billing, accountId);
    try {
      await transaction.query('begin');
      await transaction.query(
        `select start_period($1, $2, 'starter', 0, 'active', false, now(), now() + interval '1 day', null)`,
        [next, accountId],
      );
      const reserving = hold(billing, job, { wantTokens: 500 });
      await expect.poll(() => isAnyBlocked()).toBe(true);
      await transaction.query('commit');
      const reservation = await reserving;
      expect(reservation).toMatchObject({ subscriptionId: next, tokens: 500 });
      await settle(billing, { call: callOf(job, reservation, 500) });
    } finally {
      await transaction.query('rollback').catch(() => undefined);
      transaction.release();
    }
    expect((await inPostgres(billing, subscriptionId)).consumed).toBe(1_000);
    expect((await getBalance(billing, accountId)).balance).toMatchObject({ remainingTokens: 0 });
  });

  it('neither loses nor doubles top-ups in a race with the end', async () => {
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

describe('late top-ups', () => {
  it('reach the then current period, even one just ending', async () => {
    const { accountId, startNext } = await accountWithTopUp();
    await use(accountId, 900);
    const job = await runningJob(billing, accountId);
    const reservation = await hold(billing, job);
    await startNext();
    await settle(billing, { call: callOf(job, reservation, 100) });
    const third = newId();
    const transaction = await db.pool.connect();
    try {
      await transaction.query('begin');
      await transaction.query(
        `select start_period($1, $2, 'starter', 1000, 'active', false, now(), now() + interval '1 day', null)`,
        [third, accountId],
      );
      const following = carryOverRests(db, 100);
      await expect.poll(() => isAnyBlocked()).toBe(true);
      await transaction.query('commit');
      await following;
    } finally {
      await transaction.query('rollback').catch(() => undefined);
      transaction.release();
    }
    await carryOverRests(db, 100);
    expect((await inPostgres(billing, third)).granted).toBe(1_500);
  });
});

describe('all periods of these tests', () => {
  it('leave no audit findings', async () => {
    await expect.poll(() => findings(billing)).toEqual([]);
  });
});

/** Whether any connection to this database waits for a lock. */
async function isAnyBlocked(): Promise<boolean> {
  const { rows } = await db.pool.query(
    'select from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0',
  );
  return rows.length > 0;
}
