/** Demand for more tokens than an account has. */
import { type Installation, type Process, startInstallation, until } from '@tally/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectConsistent, newTenant } from './tenant.ts';

let system: Installation;
let api: Process;

beforeAll(async () => {
  system = await startInstallation();
  api = await system.startApi();
  await Promise.all([system.startWorker(), system.startWorker()]);
}, 120_000);
afterAll(() => system?.stop());

describe('P5: 200 questions with tokens for about 50', () => {
  it('are answered while tokens last, and never overbilled', async () => {
    const probe = await newTenant(system, api.url, 10_000);
    await probe.ask();
    await probe.allEnded();
    const answerTokens = await probe.consumed();
    const granted = answerTokens * 50;

    const tenant = await newTenant(system, api.url, granted);
    let sampling = true;
    let most = 0;
    const samples = (async () => {
      while (sampling) most = Math.max(most, await tenant.consumed());
    })();
    await Promise.all(Array.from({ length: 200 }, () => tenant.ask()));
    const rows = await tenant.allEnded(120_000);
    sampling = false;
    await samples;

    expect(most).toBeLessThanOrEqual(granted);
    const completed = rows.filter(({ status }) => status === 'completed');
    const rejected = rows.filter(({ error_code }) => error_code === 'no_tokens_remaining');
    expect(completed.length + rejected.length).toBe(200);
    const { rows: calls } = await system.billing.db.pool.query<{ dearest: number; input: number }>(
      'select max(billed_tokens) as dearest, max(input_tokens) as input from ai_usage_log where account_id = $1',
      [tenant.accountId],
    );
    const { dearest = 0, input = 0 } = calls[0] ?? {};
    // The minimum that a job reserves: its input with the margin, and the shortest useful answer.
    const minTokens = input + 8 + Math.ceil(input * 0.05) + 60;
    expect(completed.length).toBeGreaterThanOrEqual(Math.floor((granted - minTokens) / dearest));
    await expectConsistent(system, tenant);
    expect(await tenant.consumed()).toBe((await tenant.book()).total_tokens);
  }, 180_000);
});

describe('P5: a large job in a stream of small ones', () => {
  it('runs before the stream ends', async () => {
    await fetch(`${system.sandbox.url}/sandbox/settings`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ delay_ms: 150 }),
    });
    const bigQuestion = `How many days do I have to return a lamp? ${'I like this lamp very much indeed. '.repeat(200)}`;
    const tenant = await newTenant(system, api.url, 60_000);
    await tenant.ask(bigQuestion);
    await tenant.allEnded();
    const bigTokens = await tenant.consumed();

    // The stream below holds so many tokens at a time that the large job can't reserve by chance.
    const scarce = await newTenant(system, api.url, bigTokens * 8);
    let streaming = true;
    const stream = (async () => {
      while (streaming) await Promise.all(Array.from({ length: 12 }, () => scarce.ask().catch(() => undefined)));
    })();
    await until(async () => (await scarce.jobs()).filter(({ status }) => status === 'running').length > 3);
    const big = await scarce.ask(bigQuestion);
    const row = await until(async () => {
      const job = (await scarce.jobs()).find(({ id }) => id === big);
      return job !== undefined && job.status !== 'queued' && job.status !== 'running' && job;
    }, 60_000);
    streaming = false;
    await stream;
    expect(row.status).toBe('completed');
    await expectConsistent(system, scarce);
  }, 180_000);
});
