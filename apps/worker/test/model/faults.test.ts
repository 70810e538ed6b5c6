/** Provider faults, and their effect on the job, the ledger and the tenant's bill. */
import { listAlarms } from '@tally/db';
import type { Job } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';
import type { Fault } from '../../../sandbox/src/faults.ts';
import { watchUnpaidUsage } from '../../src/maintenance/unpaid-usage.ts';

const platform = await startPlatform({ env: { MODEL_TIMEOUT_MS: '1500', AI_OUTPUT_CAP: 'max_completion_tokens' } });

type Call = {
  outcome: string;
  evidence: string;
  billed_tokens: number;
  total_tokens: number;
  refused_usage: unknown;
  provider_request_id: string | null;
};

/** Asks one question of a model that fails `times` times with `fault`, and reads the usage log. */
async function askWith(fault: Fault, times = 1, tokens = 10_000): Promise<{ job: Job; calls: Call[]; booked: number }> {
  const person = await platform.newPerson({ tokens });
  platform.sandbox.faults.set([{ ...fault, match: { user: person.accountId }, times }]);
  // Five attempts wait up to 2, 4, 8 and 16 s in between.
  const job = await platform.poll(person.token, await platform.submit(person.token, 'Anything at all?'), 50_000);
  const { rows: calls } = await platform.api.services.db.pool.query<Call>(
    'select * from ai_usage_log where account_id = $1 order by created_at',
    [person.accountId],
  );
  expect(job.tokens_consumed).toBe(calls.reduce((sum, call) => sum + call.billed_tokens, 0));
  return { job, calls, booked: platform.sandbox.book.totals(person.accountId).total_tokens };
}

describe('transient fault', () => {
  const faults: [string, Fault, string][] = [
    ['too many requests', { kind: 'rate_limit', retry_after_ms: 100 }, 'rate_limited'],
    ['an internal error', { kind: 'server_error' }, 'unavailable'],
    ['an overload', { kind: 'unavailable' }, 'rate_limited'],
    ['a connection reset before any byte', { kind: 'reset' }, 'unavailable'],
    ['a connection closed within the answer', { kind: 'reset', after_headers: true }, 'malformed'],
    ['an HTML page', { kind: 'html' }, 'malformed'],
    ['truncated JSON', { kind: 'invalid_json' }, 'malformed'],
    ['no choices', { kind: 'empty_choices' }, 'malformed'],
    ['no response until the deadline', { kind: 'hang' }, 'timeout'],
    ['an answer streamed past the deadline', { kind: 'drip' }, 'timeout'],
  ];
  it.each(faults)('%s is logged unbilled, and the next attempt succeeds', async (_, fault, outcome) => {
    const { job, calls } = await askWith(fault);
    expect(job.status).toBe('completed');
    expect(calls.map((call) => call.billed_tokens > 0)).toEqual([false, true]);
    expect([calls[0]?.outcome, calls[1]?.outcome]).toEqual([outcome, 'answered']);
  });

  it('is retried no sooner than Retry-After', async () => {
    const { job } = await askWith({ kind: 'rate_limit', retry_after_s: 4 });
    const tookMs = Date.parse(job.finished_at ?? '') - Date.parse(job.started_at ?? '');
    expect(job.status).toBe('completed');
    expect(tookMs).toBeGreaterThanOrEqual(4_000);
  });

  it('fails the job after 5 attempts, unbilled, if it persists', async () => {
    const { job, calls } = await askWith({ kind: 'server_error' }, 100);
    expect(job).toMatchObject({ status: 'failed', error_code: 'model_unavailable', tokens_consumed: 0 });
    expect(calls).toHaveLength(5);
  });
});

describe('permanent fault', () => {
  it.each([
    ['bad_request', 'model_request_rejected', 'rejected'],
    ['context_length', 'too_large', 'too_large'],
  ] as const)('%s fails the job at once, unbilled', async (kind, code, outcome) => {
    const { job, calls } = await askWith({ kind }, 100);
    expect(job).toMatchObject({ status: 'failed', error_code: code, tokens_consumed: 0 });
    expect(calls).toMatchObject([{ outcome, evidence: 'unknown' }]);
  });

  it.each([{ kind: 'refusal' }, { kind: 'content_filter' }] satisfies Fault[])(
    '$kind fails the job and is billed',
    async (fault) => {
      const { job, calls, booked } = await askWith(fault, 100);
      expect(job).toMatchObject({ status: 'failed', error_code: 'model_refused', tokens_consumed: booked });
      expect(calls).toMatchObject([{ outcome: 'refused', evidence: 'reported' }]);
    },
  );
});

describe('usage', () => {
  it('is billed as reported by the provider', async () => {
    const { job, calls, booked } = await askWith({ kind: 'slow', delay_ms: 1 });
    expect(calls).toMatchObject([{ outcome: 'answered', evidence: 'reported', billed_tokens: booked }]);
    expect(calls[0]?.provider_request_id).toBeTruthy();
    expect(job.tokens_consumed).toBe(booked);
  });

  it('is counted and marked as estimated if it is missing', async () => {
    const { calls, booked } = await askWith({ kind: 'no_usage' });
    expect(calls).toMatchObject([{ evidence: 'estimated', refused_usage: null, billed_tokens: booked }]);
  });

  it.each(['negative', 'fractional', 'huge', 'strings'] as const)(
    'is estimated, and the report stored, if it is %s',
    async (usage) => {
      const { calls, booked } = await askWith({ kind: 'absurd_usage', usage });
      expect(calls).toMatchObject([{ evidence: 'estimated', billed_tokens: booked }]);
      expect(calls[0]?.refused_usage).not.toBeNull();
    },
  );

  it('above the hold is billed from the account’s free tokens', async () => {
    const { job, calls } = await askWith({ kind: 'over_limit', tokens: 3_000 });
    const [call] = calls;
    expect(call?.total_tokens).toBeGreaterThan(3_000);
    expect(call?.billed_tokens).toBe(call?.total_tokens);
    expect(job).toMatchObject({ status: 'completed', tokens_consumed: call?.total_tokens });
  });

  it('above the balance bills the balance; repeated, raises an alarm', async () => {
    const { services } = platform.api;
    for (let account = 0; account < 3; account++) {
      const { calls } = await askWith({ kind: 'over_limit', tokens: 3_000 }, 1, 1_000);
      expect(calls).toMatchObject([{ outcome: 'answered', billed_tokens: 1_000 }]);
      await watchUnpaidUsage(services);
      const raised = (await listAlarms(services.db, 10)).filter(({ kind }) => kind === 'unpaid_usage');
      expect(raised).toHaveLength(account < 2 ? 0 : 1);
    }
    const { text } = await platform.call('GET', '/metrics');
    expect(text).toMatch(/tally_unpaid_tokens\{model="[^"]+"\} [6-9]\d{3}/);
  });

  it('of a cut-off answer is billed, and the answer is used', async () => {
    const { job, calls } = await askWith({ kind: 'length', tokens: 4 });
    expect(job.status).toBe('completed');
    expect(calls).toMatchObject([{ outcome: 'cut_off', evidence: 'reported' }]);
  });
});

describe('question with tokenizer markers', () => {
  it('is counted and answered like any other', async () => {
    const person = await platform.newPerson({ tokens: 20_000 });
    const job = await platform.ask(person.token, `<|endoftext|> ${'ا'.repeat(3_000)} <|im_start|>`);
    expect(job.status).toBe('completed');
  });
});
