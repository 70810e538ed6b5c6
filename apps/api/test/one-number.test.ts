import { until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';

const { ask, call, newPerson, poll, sandbox, submit } = await startPlatform();

type AiUsage = { total_tokens_consumed: number; original_tokens_included: number; actual_tokens_remaining: number };
type Subscription = { tokens_remaining: number; ai_usage: AiUsage };
type Overview = { token_usage_remaining: number; current_subscription: Subscription };
type BillingOverview = {
  ai_tokens_total: number;
  original_tokens_included: number;
  actual_tokens_remaining: number;
  tokens_held: number;
};
type Plans = { plans: { id: string; tokens: number }[]; current: { tokens_remaining: number; ai_usage: AiUsage } };
type Usage = { usage: { tokens_billed: number; calls: number; task: string; model: string; day: string }[] };

async function readAllEndpoints(token: string) {
  const get = async <Shape>(path: string) => (await call<Shape>('GET', path, { token })).body;
  const [overview, billing, subscription, plans, usage] = await Promise.all([
    get<Overview>('/api/accounts/overview'),
    get<BillingOverview>('/api/billing/overview'),
    get<Subscription>('/api/billing/subscription'),
    get<Plans>('/api/billing/plans'),
    get<Usage>('/api/billing/usage'),
  ]);
  return { overview, billing, subscription, plans, usage };
}

/** Checks that every endpoint returns the same counts, and returns them. */
async function expectSameCounts(token: string) {
  const { overview, billing, subscription, plans, usage } = await readAllEndpoints(token);
  const remaining = billing.actual_tokens_remaining;
  const consumed = billing.ai_tokens_total;
  expect([
    overview.current_subscription.tokens_remaining,
    overview.current_subscription.ai_usage.actual_tokens_remaining,
    subscription.tokens_remaining,
    subscription.ai_usage.actual_tokens_remaining,
    plans.current.tokens_remaining,
    plans.current.ai_usage.actual_tokens_remaining,
  ]).toEqual(Array(6).fill(remaining));
  expect([
    overview.current_subscription.ai_usage.total_tokens_consumed,
    subscription.ai_usage.total_tokens_consumed,
    plans.current.ai_usage.total_tokens_consumed,
    usage.usage.reduce((sum, row) => sum + row.tokens_billed, 0),
  ]).toEqual(Array(4).fill(consumed));
  expect([
    overview.current_subscription.ai_usage.original_tokens_included,
    subscription.ai_usage.original_tokens_included,
    plans.current.ai_usage.original_tokens_included,
  ]).toEqual(Array(3).fill(billing.original_tokens_included));
  expect(remaining).toBe(billing.original_tokens_included - consumed);
  expect(overview.token_usage_remaining).toBeCloseTo((100 * remaining) / billing.original_tokens_included, 1);
  return { remaining, consumed, held: billing.tokens_held };
}

describe('P4: token counts', () => {
  it('agree on all endpoints and change by the model’s usage', async () => {
    const { accountId, token } = await newPerson({ tokens: 9_000 });
    expect(await expectSameCounts(token)).toEqual({ remaining: 9_000, consumed: 0, held: 0 });

    sandbox.faults.set([{ kind: 'slow', delay_ms: 1_500, match: { user: accountId } }]);
    onTestFinished(() => sandbox.faults.clear());
    const jobIds = await Promise.all([1, 2, 3].map((i) => submit(token, `Question ${i}?`)));
    await until(() => sandbox.book.list({ user: accountId }).length === 3);
    const during = await expectSameCounts(token);
    expect(during).toMatchObject({ remaining: 9_000, consumed: 0 });
    expect(during.held).toBeGreaterThan(3 * 400);

    const jobs = await Promise.all(jobIds.map((id) => poll(token, id)));
    const used = sandbox.book.totals(accountId).total_tokens;
    expect(jobs.reduce((sum, job) => sum + job.tokens_consumed, 0)).toBe(used);
    expect(await expectSameCounts(token)).toEqual({ remaining: 9_000 - used, consumed: used, held: 0 });
  });

  it('remain granted minus consumed, and never rise, while jobs end', async () => {
    const { accountId, token } = await newPerson({ tokens: 50_000 });
    const jobs = Array.from({ length: 20 }, (_, i) => ask(token, `Question ${i}?`));
    let isOver = false;
    const all = Promise.all(jobs).finally(() => {
      isOver = true;
    });
    const seen: number[] = [];
    while (!isOver) {
      const { body } = await call<BillingOverview>('GET', '/api/billing/overview', { token });
      expect(body.actual_tokens_remaining + body.ai_tokens_total).toBe(50_000);
      expect(body.tokens_held).toBeLessThanOrEqual(body.actual_tokens_remaining);
      seen.push(body.actual_tokens_remaining);
    }
    await all;
    expect(seen).toEqual(seen.toSorted((a, b) => b - a));
    const { consumed } = await expectSameCounts(token);
    expect(consumed).toBe(sandbox.book.totals(accountId).total_tokens);
  });

  it('agree after grants and a new subscription', async () => {
    const { email, token } = await newPerson({ tokens: 1_000 });
    const operator = await newPerson({ role: 'operator' });
    const administer = (path: string, body: object) =>
      call('POST', `/api/admin/${path}`, { token: operator.token, body: { email, ...body } });
    await administer('grants', { tokens: 500, reason: 'a gift' });
    expect(await expectSameCounts(token)).toMatchObject({ remaining: 1_500 });
    await administer('grants', { tokens: -200, reason: 'taken back' });
    expect(await expectSameCounts(token)).toMatchObject({ remaining: 1_300, consumed: 0 });
    // Unused top-ups move over, minus what was taken back.
    await administer('subscriptions', { plan: 'growth' });
    const { overview } = await readAllEndpoints(token);
    expect(overview.current_subscription.tokens_remaining).toBe(100_300);
    const ask = await submit(token, 'And now?');
    await poll(token, ask);
    expect(overview.current_subscription.ai_usage.original_tokens_included).toBe(100_300);
  });

  it('are 0 without a subscription', async () => {
    const { token } = await newPerson();
    const { overview, billing, subscription, plans, usage } = await readAllEndpoints(token);
    const none = { total_tokens_consumed: 0, original_tokens_included: 0, actual_tokens_remaining: 0 };
    expect(overview).toMatchObject({ token_usage_remaining: 0, current_subscription: { status: 'none', plan: null } });
    expect(billing).toMatchObject({ ai_tokens_total: 0, actual_tokens_remaining: 0, tokens_held: 0 });
    expect(subscription).toMatchObject({ tokens_remaining: 0, ai_usage: none });
    expect(plans.current).toEqual({ plan: null, tokens_remaining: 0, ai_usage: none });
    expect(usage.usage).toEqual([]);
  });
});
