import { newId } from '@tally/core';
import { newAccount } from '@tally/testing';
import { newBilling, newConfig } from '@tally/testing/vitest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CallRecord, claimJobs, type Database, insertHolds, settle, submitJobs } from '../src/index.ts';

const { db } = await newBilling(await newConfig(), afterAll);

type Account = { accountId: string; subscriptionId: string };
let account: Account;
beforeAll(async () => {
  account = await newAccount({ db }, { tokens: 1_000 });
  await insertUsage(db, [account]);
});

/** Logs a call of 10 tokens for each account, in one statement. */
async function insertUsage({ pool }: Database, accounts: Account[]): Promise<void> {
  await pool.query(
    `insert into ai_usage_log (id, account_id, subscription_id, job_id, step, fence, task, model, input_tokens,
       cached_input_tokens, output_tokens, reasoning_tokens, total_tokens, billed_tokens, evidence, outcome, latency_ms)
     select gen_random_uuid(), a, s, gen_random_uuid(), 'answer', 1, 'ask-question', 'sandbox', 8, 0, 2, 0, 10, 10,
       'reported', 'answered', 1 from unnest($1::uuid[], $2::uuid[]) as u (a, s)`,
    [accounts.map((a) => a.accountId), accounts.map((a) => a.subscriptionId)],
  );
}

async function insertGrants({ pool }: Database, accounts: Account[]): Promise<void> {
  await pool.query(
    `insert into token_grants (id, account_id, subscription_id, kind, tokens, reason, idempotency_key)
     select gen_random_uuid(), a, s, 'top_up', 5, 'test', gen_random_uuid()::text from unnest($1::uuid[], $2::uuid[]) as u (a, s)`,
    [accounts.map((a) => a.accountId), accounts.map((a) => a.subscriptionId)],
  );
}

async function balanceOf({ subscriptionId }: Account) {
  const { rows } = await db.pool.query<{ granted: number; consumed: number; version: number }>(
    `select tokens_granted as granted, tokens_consumed as consumed, version from subscription_balances
     where subscription_id = $1`,
    [subscriptionId],
  );
  if (rows[0] === undefined) throw new Error('no balance');
  return rows[0];
}

describe('the two ledgers are append-only', () => {
  it.each([
    ['token_grants', 'update token_grants set tokens = 1'],
    ['token_grants', 'delete from token_grants'],
    ['token_grants', 'truncate token_grants'],
    ['token_grants', `update token_grants set reason = '' where false`],
    ['ai_usage_log', 'update ai_usage_log set billed_tokens = 0'],
    ['ai_usage_log', 'delete from ai_usage_log'],
    ['ai_usage_log', 'truncate ai_usage_log'],
  ])('%s refuses %j', async (table, sql) => {
    await expect(db.pool.query(sql)).rejects.toThrow(`${table} is append-only`);
  });

  it('and refuse a grant of zero or negative tokens', async () => {
    for (const tokens of [0, -5])
      await expect(
        db.pool.query(
          `insert into token_grants (id, account_id, subscription_id, kind, tokens, reason, idempotency_key)
           values ($1, $2, $3, 'adjustment', $4, 'test', 'less')`,
          [newId(), account.accountId, account.subscriptionId, tokens],
        ),
      ).rejects.toThrow('token_grants_tokens_check');
  });

  it('and refuse rows without a balance', async () => {
    const stray = { accountId: account.accountId, subscriptionId: newId() };
    await expect(insertUsage(db, [account, stray])).rejects.toThrow('no balance for a subscription');
    await expect(insertGrants(db, [account, stray])).rejects.toThrow('no balance for a subscription');
  });
});

describe('P4: balances', () => {
  it.each([
    'update subscription_balances set tokens_consumed = 0',
    'update subscription_balances set version = version where false',
    'delete from subscription_balances',
    'truncate subscription_balances',
    'insert into subscription_balances (subscription_id) select id from subscriptions limit 1',
  ])('refuse %j', async (sql) => {
    await expect(db.pool.query(sql)).rejects.toThrow('moved by triggers only');
  });

  it('change once for a statement that logs many calls', async () => {
    const [one, other] = [await newAccount({ db }, { tokens: 500 }), await newAccount({ db }, { tokens: 500 })];
    const before = [await balanceOf(one), await balanceOf(other)];
    await insertUsage(db, [one, other, one, one]);
    expect([await balanceOf(one), await balanceOf(other)]).toEqual([
      { granted: 500, consumed: 30, version: (before[0]?.version ?? 0) + 1 },
      { granted: 500, consumed: 10, version: (before[1]?.version ?? 0) + 1 },
    ]);
    await insertGrants(db, [other, one, other]);
    expect([await balanceOf(one), await balanceOf(other)]).toMatchObject([
      { granted: 505, version: (before[0]?.version ?? 0) + 2 },
      { granted: 510, version: (before[1]?.version ?? 0) + 2 },
    ]);
  });

  it('get a new version when the subscription’s status or dates change', async () => {
    const before = await balanceOf(account);
    await db.pool.query(`update subscriptions set status = 'inactive' where id = $1`, [account.subscriptionId]);
    await db.pool.query(
      `update subscriptions set ends_at = now() + interval '1 hour', status = 'active' where id = $1`,
      [account.subscriptionId],
    );
    expect(await balanceOf(account)).toEqual({ ...before, version: before.version + 2 });
  });
});

describe('two processes that write for the same subscriptions in opposite order', () => {
  it('never deadlock over settlements', async () => {
    const accounts = await newAccounts(12);
    for (let round = 0; round < 10; round++) {
      const [mine, theirs] = [await sentCalls(accounts), await sentCalls(accounts.toReversed())];
      const outcomes = await Promise.all([settle(db, mine), settle(db, theirs)]);
      expect(outcomes.flat().map(({ call }) => call?.verdict)).toEqual(Array(24).fill('billed'));
    }
    for (const each of accounts) expect((await balanceOf(each)).consumed).toBe(200);
  });

  it('never deadlock over the same settlements, and get the same outcomes', async () => {
    const accounts = await newAccounts(12);
    for (let round = 0; round < 10; round++) {
      const calls = await sentCalls(accounts);
      const [mine, theirs] = await Promise.all([settle(db, calls), settle(db, calls.toReversed())]);
      expect(mine.map(({ call }) => call?.verdict)).toEqual(Array(12).fill('billed'));
      expect(theirs.toReversed().map(({ call }) => call?.verdict)).toEqual(Array(12).fill('billed'));
    }
    for (const each of accounts) expect((await balanceOf(each)).consumed).toBe(100);
  });

  it('never deadlock over balances alone', async () => {
    const accounts = await newAccounts(12);
    for (let round = 0; round < 10; round++)
      await Promise.all([
        insertUsage(db, accounts),
        insertUsage(db, accounts.toReversed()),
        insertGrants(db, accounts.toReversed()),
      ]);
    for (const each of accounts) expect(await balanceOf(each)).toMatchObject({ granted: 550, consumed: 200 });
  });

  async function newAccounts(count: number): Promise<Account[]> {
    const accounts: Account[] = [];
    for (let i = 0; i < count; i++) accounts.push(await newAccount({ db }, { tokens: 500 }));
    return accounts;
  }

  /** A claimed job with a hold for each account, and its call of 10 tokens. */
  async function sentCalls(accounts: Account[]): Promise<{ call: CallRecord }[]> {
    const jobs = accounts.map((each) => ({ ...each, jobId: newId(), holdId: newId(), step: 'answer', fence: 1 }));
    await submitJobs(
      db,
      jobs.map(({ jobId, accountId }) => ({
        id: jobId,
        accountId,
        task: 'ask-question',
        inputJson: '{}',
        minTokens: 1,
      })),
    );
    await claimJobs(
      db,
      jobs.map(({ jobId }) => ({ claimId: newId(), jobId, dispatch: 1, leaseMs: 60_000 })),
    );
    await insertHolds(
      db,
      jobs.map((job) => ({ ...job, wantTokens: 10, leaseMs: 60_000 })),
    );
    return jobs.map((job) => ({
      call: {
        ...job,
        task: 'ask-question',
        model: 'sandbox',
        inputTokens: 8,
        cachedInputTokens: 0,
        outputTokens: 2,
        reasoningTokens: 0,
        totalTokens: 10,
        holdTokens: 10,
        billable: true,
        output: 'blue',
        evidence: 'reported',
        outcome: 'answered',
        latencyMs: 1,
      },
    }));
  }
});
