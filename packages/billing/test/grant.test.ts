import { newId, TallyError } from '@tally/core';
import { carryOverRests, settleTakeBack, startPeriod, takeBackStep } from '@tally/db';
import { newAccount } from '@tally/testing';
import { newBilling, newConfig } from '@tally/testing/vitest';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { type GrantRequest, getBalance, grantTokens, release, reserve, settle } from '../src/index.ts';
import { callOf, findings, hold, inPostgres, inRedis, logged, requestFor, runningJob } from './fixtures/ledger.ts';

const billing = await newBilling(await newConfig(), afterAll);

let accountId: string;
let subscriptionId: string;
beforeEach(async () => {
  ({ accountId, subscriptionId } = await newAccount(billing, { tokens: 1_000 }));
});

const grant = (tokens: number, changes: Partial<GrantRequest> = {}) =>
  grantTokens(billing, { accountId, tokens, reason: 'test', idempotencyKey: newId(), grantedBy: null, ...changes });
const remaining = async () => (await getBalance(billing, accountId)).balance.remainingTokens;
const someJob = () => ({ accountId, jobId: newId(), fence: 1 });

describe('granting tokens', () => {
  it('adds them at once for a waiting job', async () => {
    const first = await hold(billing, someJob(), { wantTokens: 1_000 });
    const waiter = someJob();
    expect(await reserve(billing, requestFor(waiter))).toEqual({ outcome: 'wait' });
    await grant(500);
    expect(await reserve(billing, requestFor(waiter))).toMatchObject({ outcome: 'granted', tokens: 400 });
    expect(await remaining()).toBe(1_500);
    await release(billing, first);
  });

  it('reaches Redis with the next settlement if not told before', async () => {
    const job = await runningJob(billing, accountId);
    const reservation = await hold(billing, job, { wantTokens: 1_000 });
    await billing.db.pool.query(
      `insert into token_grants (id, account_id, subscription_id, kind, tokens, reason, idempotency_key)
       values ($1, $2, $3, 'top_up', 500, 'test', $1::uuid::text)`,
      [newId(), accountId, subscriptionId],
    );
    await settle(billing, { call: callOf(job, reservation, 1_000) });
    await expect.poll(async () => (await inRedis(billing, subscriptionId))?.holds).toEqual({});
    expect(await inRedis(billing, subscriptionId)).toMatchObject({ granted: 1_500, consumed: 1_000 });
  });

  it('happens once per key, also for concurrent requests', async () => {
    const idempotencyKey = newId();
    await Promise.all(Array.from({ length: 6 }, () => grant(500, { idempotencyKey })));
    await grant(500, { idempotencyKey });
    expect(await remaining()).toBe(1_500);
  });

  it('requires a subscription', async () => {
    ({ accountId } = await newAccount(billing));
    await expect(grant(500)).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('taking tokens back', () => {
  it('lowers granted tokens without logging any usage', async () => {
    await grant(-300, { reason: 'a mistake' });
    expect(await remaining()).toBe(700);
    const used = await billing.db.pool.query('select from ai_usage_log where account_id = $1', [accountId]);
    expect(used.rowCount).toBe(0);
    const { rows } = await billing.db.pool.query(
      `select kind, tokens, reason from token_grants where account_id = $1 and kind <> 'period'`,
      [accountId],
    );
    expect(rows).toEqual([{ kind: 'take_back', tokens: -300, reason: 'a mistake' }]);
    expect(await inPostgres(billing, subscriptionId)).toMatchObject({ granted: 700, consumed: 0, holds: {} });
    expect(await inRedis(billing, subscriptionId)).toMatchObject({ granted: 700, consumed: 0, held: 0, holds: {} });
  });

  it.each([
    { topUp: 5_000, taken: 5_000, used: 0, carried: 0 },
    { topUp: 5_000, taken: 2_000, used: 0, carried: 3_000 },
    { topUp: 5_000, taken: 5_500, used: 0, carried: 0 },
    { topUp: 5_000, taken: 5_000, used: 800, carried: 0 },
    { topUp: 5_000, taken: 1_000, used: 3_000, carried: 2_000 },
    { topUp: 0, taken: 400, used: 0, carried: 0 },
  ])('never carries plan tokens over: %o', async ({ topUp, taken, used, carried }) => {
    if (topUp > 0) await grant(topUp);
    if (used > 0) {
      const job = await runningJob(billing, accountId);
      await settle(billing, { call: callOf(job, await hold(billing, job, { wantTokens: used }), used) });
    }
    await grant(-taken);
    await startPeriod(billing.db, nextPeriod());
    expect(await remaining()).toBe(1_000 + carried);
  });

  it('carries no plan tokens over if the period ends meanwhile', async () => {
    await grant(5_000);
    const taking = await hold(
      billing,
      { accountId, jobId: newId(), fence: 0 },
      { step: takeBackStep, wantTokens: 5_000, minTokens: 5_000, mayWait: false },
    );
    await startPeriod(billing.db, nextPeriod());
    expect(await remaining()).toBe(1_000);
    const key = { reason: 'test', idempotencyKey: newId(), grantedBy: null };
    expect(await settleTakeBack(billing.db, { holdId: taking.holdId, ...key })).toBe(true);
    await release(billing, taking);
    await carryOverRests(billing.db, 100);
    expect(await remaining()).toBe(1_000);
  });

  it('is a conflict if running calls hold the tokens', async () => {
    const job = await runningJob(billing, accountId);
    const reservation = await hold(billing, job, { wantTokens: 800 });
    await expect(grant(-300)).rejects.toThrow(TallyError);
    await expect(grant(-300)).rejects.toMatchObject({ code: 'conflict', status: 409 });
    expect((await settle(billing, { call: callOf(job, reservation, 800) })).call).toMatchObject({ billedTokens: 800 });
    expect(await logged(billing, job.jobId)).toHaveLength(1);
  });

  it('is a conflict with too few tokens or no subscription', async () => {
    await expect(grant(-1_001)).rejects.toMatchObject({ code: 'conflict' });
    expect(await inPostgres(billing, subscriptionId)).toMatchObject({ consumed: 0, holds: {} });
    ({ accountId } = await newAccount(billing));
    await expect(grant(-1)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('happens once per key, also concurrently', async () => {
    const idempotencyKey = newId();
    await Promise.all(Array.from({ length: 3 }, () => grant(-300, { idempotencyKey })));
    await grant(-300, { idempotencyKey });
    expect(await remaining()).toBe(700);
    expect((await inPostgres(billing, subscriptionId)).holds).toEqual({});
  });

  it('is a conflict under a key older than a day, as is granting', async () => {
    const idempotencyKey = newId();
    await billing.db.pool.query(
      `insert into token_grants (id, account_id, subscription_id, kind, tokens, reason, idempotency_key, created_at)
       values ($1, $2, $3, 'top_up', 500, 'test', $4, now() - interval '25 hours')`,
      [newId(), accountId, subscriptionId, idempotencyKey],
    );
    await expect(grant(500, { idempotencyKey })).rejects.toMatchObject({ code: 'idempotency_conflict' });
    await expect(grant(-500, { idempotencyKey })).rejects.toMatchObject({ code: 'idempotency_conflict' });
  });

  it('can be repeated with its key even after the last token', async () => {
    const idempotencyKey = newId();
    await grant(-1_000, { idempotencyKey });
    await grant(-1_000, { idempotencyKey });
    expect(await remaining()).toBe(0);
  });
});

describe('taking tokens back when Postgres disconnects', () => {
  it('leaves the hold to its lease, and can be repeated', async () => {
    const idempotencyKey = newId();
    const other = await billing.db.pool.connect();
    try {
      await other.query('begin');
      await other.query('select from subscription_balances where subscription_id = $1 for update', [subscriptionId]);
      const taking = grant(-300, { idempotencyKey });
      await expect.poll(() => isSettledOrBlocked(taking)).toBe(true);
      await other.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pg_backend_pid() = any(pg_blocking_pids(pid))`,
      );
      await expect(taking).rejects.toMatchObject({ code: '57P01' });
      await other.query('rollback');
    } finally {
      other.release();
    }
    expect(await inRedis(billing, subscriptionId)).toMatchObject({ held: 300 });
    await grant(-300, { idempotencyKey });
    await grant(-300, { idempotencyKey });
    expect(await remaining()).toBe(700);
  });
});

describe('grants of an operator', () => {
  it('leave no audit findings', async () => {
    expect(await findings(billing)).toEqual([]);
  });

  it('go to the next period if the current one is ending', async () => {
    const ending = await billing.db.pool.connect();
    try {
      await ending.query('begin');
      await ending.query(
        `select start_period($1, $2, 'starter', 1000, 'active', false, now(), now() + interval '1 day', null)`,
        [newId(), accountId],
      );
      const granted = grant(500);
      // The grant has started, and can only have finished if it went to the ending period.
      await expect.poll(() => isSettledOrBlocked(granted)).toBe(true);
      await ending.query('commit');
      await granted;
    } finally {
      ending.release();
    }
    expect(await remaining()).toBe(1_500);
  });

  it('are neither lost nor counted twice while a period ends', async () => {
    for (let round = 0; round < 10; round++) {
      ({ accountId, subscriptionId } = await newAccount(billing, { tokens: 1_000 }));
      const period = { accountId, planId: 'starter', tokens: 1_000, status: 'active', renews: false } as const;
      const dates = { startsAt: new Date(Date.now() - 1_000), endsAt: new Date(Date.now() + 86_400_000) };
      await Promise.all([
        startPeriod(billing.db, { ...period, ...dates, grantedBy: null }),
        ...Array.from({ length: 4 }, () => grant(100)),
      ]);
      expect(await remaining()).toBe(1_400);
    }
  });
});

const nextPeriod = () => ({
  accountId,
  planId: 'starter',
  tokens: 1_000,
  status: 'active' as const,
  renews: false,
  startsAt: new Date(Date.now() - 1_000),
  endsAt: new Date(Date.now() + 86_400_000),
  grantedBy: null,
});

/** True once the promise is settled, or its work waits for a lock in Postgres. */
async function isSettledOrBlocked(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  if ((await Promise.race([promise.catch(() => undefined), Promise.resolve(pending)])) !== pending) return true;
  const { rows } = await billing.db.pool.query(
    'select from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0',
  );
  return rows.length > 0;
}
