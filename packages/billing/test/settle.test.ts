import { readSteps, startPeriod } from '@tally/db';
import { newAccount } from '@tally/testing';
import { newBilling, newConfig } from '@tally/testing/vitest';
import { afterAll, describe, expect, it } from 'vitest';
import { createBilling, release, reserve, reserveExcess, settle } from '../src/index.ts';
import {
  callOf,
  findings,
  goneFromRedis,
  hold,
  inPostgres,
  inRedis,
  logged,
  requestFor,
  runningJob,
  takeOver,
} from './fixtures/ledger.ts';

const billing = await newBilling(await newConfig(), afterAll);

async function jobWithHold(tokens = 1_000) {
  const { accountId, subscriptionId } = await newAccount(billing, { tokens });
  const job = await runningJob(billing, accountId);
  return { accountId, subscriptionId, job, reservation: await hold(billing, job) };
}

describe('P3: settling a model call', () => {
  it('bills usage, keeps the output and removes the hold', async () => {
    const { subscriptionId, job, reservation } = await jobWithHold();
    const { call } = await settle(billing, { call: callOf(job, reservation, 130) });
    expect(call).toMatchObject({ verdict: 'billed', billedTokens: 130, snapshot: { tokensConsumed: 130 } });
    expect(await readSteps(billing.db, job.jobId)).toEqual(new Map([['answer', { text: 'blue' }]]));
    await goneFromRedis(billing, reservation);
    const postgres = await inPostgres(billing, subscriptionId);
    expect(postgres).toMatchObject({ consumed: 130, holds: {} });
    expect(await inRedis(billing, subscriptionId)).toEqual({ ...postgres, held: 0, leased: [] });
  });

  it('bills at most the hold and logs the reported usage', async () => {
    const { job, reservation } = await jobWithHold(450);
    const { call } = await settle(billing, { call: callOf(job, reservation, 5_000) });
    expect(call).toMatchObject({ verdict: 'billed', billedTokens: 400 });
    expect(await logged(billing, job.jobId)).toEqual([{ billed: 400, total: 5_000 }]);
  });

  describe('with usage above its hold', () => {
    const exceeding = async (free: number) => {
      const { accountId, subscriptionId, job, reservation } = await jobWithHold(400 + free);
      const request = { ...job, subscriptionId, step: 'answer', leaseMs: 600_000, tokens: 5_000 - 400 };
      return { accountId, subscriptionId, job, reservation, excess: await reserveExcess(billing, request) };
    };

    it.each([
      { free: 10_000, billed: 5_000 },
      { free: 4_600, billed: 5_000 },
      { free: 4_599, billed: 4_999 },
      { free: 50, billed: 450 },
      { free: 1, billed: 401 },
      { free: 0, billed: 400 },
    ])('bills the excess as far as tokens are free: %o', async ({ free, billed }) => {
      const { subscriptionId, job, reservation, excess } = await exceeding(free);
      const { call } = await settle(billing, { call: callOf(job, reservation, 5_000, { excess }) });
      expect(call).toMatchObject({ verdict: 'billed', billedTokens: billed });
      await goneFromRedis(billing, reservation);
      const postgres = await inPostgres(billing, subscriptionId);
      expect(postgres).toMatchObject({ granted: 400 + free, consumed: billed, holds: {} });
      expect(await inRedis(billing, subscriptionId)).toEqual({ ...postgres, held: 0, leased: [] });
    });

    it('takes no tokens of another call or an older waiting job', async () => {
      const { accountId, subscriptionId, job, reservation } = await jobWithHold(1_000);
      const other = await runningJob(billing, accountId);
      await hold(billing, other, { wantTokens: 450 });
      const request = { ...job, subscriptionId, step: 'answer', leaseMs: 600_000, tokens: 900 };
      const waiting = requestFor(await runningJob(billing, accountId), { minTokens: 300, ageMs: 60_000 });
      expect(await reserve(billing, waiting)).toEqual({ outcome: 'wait' });
      expect(await reserveExcess(createBilling({ ...billing }), request)).toBeUndefined();
      const { call } = await settle(billing, { call: callOf(job, reservation, 1_300) });
      expect(call).toMatchObject({ billedTokens: 400 });
    });

    it('bills its hold if the excess was swept, 0 if the hold was', async () => {
      const first = await exceeding(10_000);
      await release(billing, { holdId: first.excess?.holdId ?? '', subscriptionId: first.subscriptionId });
      const call = callOf(first.job, first.reservation, 5_000, { excess: first.excess });
      expect((await settle(billing, { call })).call).toMatchObject({ billedTokens: 400 });
      const second = await exceeding(10_000);
      await release(billing, second.reservation);
      const lost = callOf(second.job, second.reservation, 5_000, { excess: second.excess });
      expect((await settle(billing, { call: lost })).call).toMatchObject({ billedTokens: 0 });
      expect((await inPostgres(billing, second.subscriptionId)).holds).toEqual({});
    });

    it('does not charge the next period', async () => {
      const { accountId, subscriptionId, job, reservation } = await jobWithHold(1_000);
      await startPeriod(billing.db, {
        accountId,
        planId: 'starter',
        tokens: 9_000,
        status: 'active',
        renews: false,
        startsAt: new Date(Date.now() - 1_000),
        endsAt: new Date(Date.now() + 86_400_000),
        grantedBy: null,
      });
      const request = { ...job, subscriptionId, step: 'answer', leaseMs: 600_000, tokens: 900 };
      expect(await reserveExcess(billing, request)).toBeUndefined();
      const { call } = await settle(billing, { call: callOf(job, reservation, 1_300) });
      expect(call).toMatchObject({ billedTokens: 400 });
    });
  });

  it('bills once when repeated after an unknown commit', async () => {
    const { subscriptionId, job, reservation } = await jobWithHold();
    const settlement = { call: callOf(job, reservation, 130) };
    const first = await settle(billing, settlement);
    expect(await settle(billing, settlement)).toEqual(first);
    expect(await logged(billing, job.jobId)).toHaveLength(1);
    expect((await inPostgres(billing, subscriptionId)).consumed).toBe(130);
  });

  it('returns what was billed when repeated with the job’s end', async () => {
    const { job, reservation } = await jobWithHold();
    const move = { jobId: job.jobId, fence: job.fence, status: 'completed' as const, result: { text: 'blue' } };
    const settlement = { call: callOf(job, reservation, 130), move };
    expect(await settle(billing, settlement)).toMatchObject({ call: { verdict: 'billed' }, moved: true });
    expect(await settle(billing, settlement)).toMatchObject({
      call: { verdict: 'billed', billedTokens: 130 },
      moved: false,
    });
  });

  it('waits for a concurrent first try and returns its outcome', async () => {
    const { subscriptionId, job, reservation } = await jobWithHold();
    const settlement = { call: callOf(job, reservation, 130) };
    // A transaction that locks the balance stops the first try after its writes and before its commit.
    const reader = await billing.db.pool.connect();
    try {
      await reader.query('begin');
      await reader.query('select from subscription_balances where subscription_id = $1 for update', [subscriptionId]);
      const { pid } = (await reader.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0] ?? { pid: 0 };
      const first = settle(billing, settlement);
      await expect.poll(() => waiters(pid)).toBe(1);
      // Another process, whose writes share no batch with the first.
      const second = settle(createBilling({ ...billing }), settlement);
      await expect.poll(() => waiters()).toBe(2);
      await reader.query('commit');
      expect(await first).toMatchObject({ call: { verdict: 'billed', billedTokens: 130 } });
      expect(await second).toMatchObject({ call: { verdict: 'billed', billedTokens: 130 } });
    } finally {
      reader.release();
    }
    expect((await inPostgres(billing, subscriptionId)).consumed).toBe(130);
  });

  it('bills one of two calls for the same step', async () => {
    const { subscriptionId, job, reservation } = await jobWithHold();
    const second = await hold(billing, job);
    const outcomes = await Promise.all([
      settle(billing, { call: callOf(job, reservation, 100, { output: { text: 'blue' } }) }),
      settle(billing, { call: callOf(job, second, 200, { output: { text: 'green' } }) }),
    ]);
    expect(outcomes.map(({ call }) => call?.verdict).sort()).toEqual(['billed', 'unbilled']);
    expect(await logged(billing, job.jobId)).toHaveLength(2);
    const billed = (await inPostgres(billing, subscriptionId)).consumed;
    expect((await readSteps(billing.db, job.jobId)).get('answer')).toEqual({ text: billed === 100 ? 'blue' : 'green' });
  });

  it('logs a call with a swept hold unbilled, with its output', async () => {
    const { subscriptionId, job, reservation } = await jobWithHold();
    await release(billing, reservation);
    const { call } = await settle(billing, { call: callOf(job, reservation, 130) });
    expect(call).toMatchObject({ verdict: 'unbilled', billedTokens: 0 });
    expect(await logged(billing, job.jobId)).toEqual([{ billed: 0, total: 130 }]);
    expect((await readSteps(billing.db, job.jobId)).get('answer')).toEqual({ text: 'blue' });
    expect((await inPostgres(billing, subscriptionId)).consumed).toBe(0);
  });

  it('logs a fenced-out call unbilled and drops its output', async () => {
    const { subscriptionId, job, reservation } = await jobWithHold();
    const fence = await takeOver(billing, job.jobId);
    const { call } = await settle(billing, { call: callOf(job, reservation, 130) });
    expect(call).toMatchObject({ verdict: 'fenced_out', billedTokens: 0 });
    expect(await logged(billing, job.jobId)).toEqual([{ billed: 0, total: 130 }]);
    expect(await readSteps(billing.db, job.jobId)).toEqual(new Map());
    const next = { ...job, fence };
    const { call: second } = await settle(billing, { call: callOf(next, await hold(billing, next), 70) });
    expect(second).toMatchObject({ verdict: 'billed', billedTokens: 70 });
    expect((await inPostgres(billing, subscriptionId)).consumed).toBe(70);
  });

  it('fences out a repeated settlement, too', async () => {
    const { job, reservation } = await jobWithHold();
    await takeOver(billing, job.jobId);
    const settlement = { call: callOf(job, reservation, 130) };
    await settle(billing, settlement);
    expect((await settle(billing, settlement)).call).toMatchObject({ verdict: 'fenced_out' });
  });

  it('logs a failed call unbilled and frees its tokens', async () => {
    const { job, reservation } = await jobWithHold(400);
    const failure = { billable: false, output: undefined, outcome: 'timeout' };
    const { call } = await settle(billing, { call: callOf(job, reservation, 50, failure) });
    expect(call).toMatchObject({ verdict: 'unbilled', billedTokens: 0 });
    await goneFromRedis(billing, reservation);
    expect((await hold(billing, job)).tokens).toBe(400);
  });

  it('batches many tenants’ calls; a bad row fails only itself', async () => {
    const jobs = await Promise.all(Array.from({ length: 12 }, () => jobWithHold()));
    const outcomes = await Promise.allSettled(
      jobs.map(({ job, reservation }, i) =>
        settle(billing, { call: callOf(job, reservation, 130, i === 5 ? { inputTokens: -1 } : {}) }),
      ),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(jobs.map((_, i) => (i === 5 ? 'rejected' : 'fulfilled')));
    const consumed = await Promise.all(jobs.map(({ subscriptionId }) => inPostgres(billing, subscriptionId)));
    expect(consumed.map((books) => books.consumed)).toEqual(jobs.map((_, i) => (i === 5 ? 0 : 130)));
  });

  it('stores an answer with NUL and a lone surrogate', async () => {
    const { job, reservation } = await jobWithHold();
    const text = 'a\u0000b \ud83d c \\u0000 😀';
    await settle(billing, { call: callOf(job, reservation, 130, { output: { text } }) });
    expect((await readSteps(billing.db, job.jobId)).get('answer')).toEqual({ text: 'ab \ufffd c \\u0000 😀' });
  });

  it('leaves no audit findings', async () => {
    await expect.poll(() => findings(billing)).toEqual([]);
  });
});

/** Number of connections to this database that wait for a lock, of `holder` if given. */
async function waiters(holder?: number): Promise<number> {
  const { rows } = await billing.db.pool.query<{ count: number }>(
    `select count(*) from pg_stat_activity
     where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0
       and ($1::integer is null or $1 = any(pg_blocking_pids(pid)))`,
    [holder ?? null],
  );
  return rows[0]?.count ?? 0;
}
