import { newId } from '@tally/core';
import { countStrayLedgerRows } from '@tally/db';
import { newAccount } from '@tally/testing';
import { newBilling, newConfig } from '@tally/testing/vitest';
import { beforeEach, describe, expect, it } from 'vitest';
import { auditPageTwice, type Billing, repairRedis, settle } from '../src/index.ts';
import { keysOf } from '../src/scripts.ts';
import { callOf, findings, goneFromRedis, hold, inPostgres, inRedis, runningJob } from './fixtures/ledger.ts';

// These tests break the ledger on purpose, so each one has its own database.
let billing: Billing;
let accountId: string;
let subscriptionId: string;
let held: Awaited<ReturnType<typeof hold>>;

beforeEach(async () => {
  billing = await newBilling(await newConfig());
  ({ accountId, subscriptionId } = await newAccount(billing, { tokens: 1_000 }));
  const job = await runningJob(billing, accountId);
  const used = await hold(billing, job);
  await settle(billing, { call: callOf(job, used, 300) });
  await goneFromRedis(billing, used);
  held = await hold(billing, job, { step: 'second' });
  expect(await findings(billing)).toEqual([]);
});

/** Runs `sql` with the table's triggers disabled. */
async function tamper(table: string, sql: string): Promise<void> {
  await billing.db.pool.query(`alter table ${table} disable trigger user`);
  await billing.db.pool.query(sql);
  await billing.db.pool.query(`alter table ${table} enable trigger user`);
}

describe('the audit of Postgres finds', () => {
  it('a call whose billed tokens were changed', async () => {
    await tamper('ai_usage_log', 'update ai_usage_log set billed_tokens = 200');
    expect(await findings(billing)).toEqual(['postgres: tokens_consumed is 300, its rows add up to 200']);
  });

  it('a deleted call', async () => {
    await tamper('ai_usage_log', 'delete from ai_usage_log');
    expect(await findings(billing)).toEqual(['postgres: tokens_consumed is 300, its rows add up to 0']);
  });

  it('a changed grant', async () => {
    await tamper('token_grants', 'update token_grants set tokens = 5000');
    expect(await findings(billing)).toEqual(['postgres: tokens_granted is 1000, its rows add up to 5000']);
  });

  it('a changed balance', async () => {
    await tamper(
      'subscription_balances',
      'update subscription_balances set tokens_consumed = 0, version = version + 1',
    );
    expect(await findings(billing)).toEqual(['postgres: tokens_consumed is 0, its rows add up to 300']);
  });

  it('more tokens billed than granted', async () => {
    await billing.db.pool.query(
      `insert into ai_usage_log (id, account_id, subscription_id, job_id, step, fence, task, model, input_tokens,
         cached_input_tokens, output_tokens, reasoning_tokens, total_tokens, billed_tokens, evidence, outcome, latency_ms)
       values ($1, $2, $3, $1, 'answer', 1, 'ask-question', 'sandbox', 800, 0, 0, 0, 800, 800, 'reported', 'answered', 1)`,
      [newId(), accountId, subscriptionId],
    );
    expect(await findings(billing)).toEqual(['postgres: overdrawn: 1100 billed of 1000 granted']);
  });

  it('rows without a subscription', async () => {
    await tamper('token_grants', `update token_grants set subscription_id = gen_random_uuid()`);
    expect(await countStrayLedgerRows(billing.db)).toEqual({ grants: 1, usage: 0 });
  });
});

describe('the audit of Redis finds and a repair fixes', () => {
  const keys = () => keysOf(billing.keyPrefix, subscriptionId);

  it.each<[string, () => Promise<unknown>, string | RegExp]>([
    [
      'a changed balance',
      () => billing.redis.hset(keys().account, 'consumed', 0),
      /says 0 of 1000 at version \d+, Postgres 300 of 1000/,
    ],
    [
      'a changed sum of holds',
      () => billing.redis.hset(keys().account, 'held', 0),
      'held is 0, its holds add up to 400',
    ],
    [
      'an enlarged hold',
      () => billing.redis.hset(keys().sizes, held.holdId, 600),
      'held is 400, its holds add up to 600',
    ],
    [
      'a hold without a row in Postgres',
      () => billing.db.pool.query('delete from token_holds'),
      /hold .* has no row in Postgres/,
    ],
    [
      'a version ahead of Postgres',
      () => billing.redis.hset(keys().account, { version: 99, granted: 9_999 }),
      'version 99 is ahead of Postgres',
    ],
  ])('%s', async (_, change, what) => {
    await change();
    const found = await findings(billing);
    expect(found).toEqual([expect.stringMatching(what)]);
    await repairRedis(billing, subscriptionId);
    expect(await findings(billing)).toEqual([]);
    const next = await hold(billing, { accountId, jobId: newId(), fence: 1 }, { wantTokens: 100 });
    const postgres = await inPostgres(billing, subscriptionId);
    expect(await inRedis(billing, subscriptionId)).toMatchObject(postgres);
    expect(postgres.holds[next.holdId]).toBe(100);
    expect(await findings(billing)).toEqual([]);
  });
});

describe('auditPageTwice', () => {
  const page = { afterId: '00000000-0000-0000-0000-000000000000', limit: 10, settleMs: 0 };
  const keys = () => keysOf(billing.keyPrefix, subscriptionId);

  it('ignores a settlement not yet applied to Redis', async () => {
    await billing.db.pool.query('delete from token_holds');
    const { findings: found } = await auditPageTwice(billing, {
      ...page,
      sleep: () => billing.redis.hdel(keys().sizes, held.holdId).then(() => forgetHold()),
    });
    expect(found).toEqual([]);
  });

  it('finds a wrong sum even if its numbers change in between', async () => {
    await billing.redis.hincrby(keys().account, 'held', 100);
    const { findings: found } = await auditPageTwice(billing, {
      ...page,
      sleep: () => hold(billing, { accountId, jobId: newId(), fence: 1 }, { wantTokens: 50, minTokens: 50 }),
    });
    expect(found.map(({ what }) => what)).toEqual(['held is 550, its holds add up to 450']);
  });

  const forgetHold = async () => {
    await billing.redis.zrem(keys().holds, held.holdId);
    await billing.redis.hincrby(keys().account, 'held', -400);
  };
});
