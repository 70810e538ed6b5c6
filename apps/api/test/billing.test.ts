import { describe, expect, it } from 'vitest';
import { startPlatform } from '../../../test/harness/platform.ts';

const { ask, call, newPerson } = await startPlatform();
const { email, token } = await newPerson({ tokens: 10_000 });

const integer = expect.toSatisfy(Number.isInteger);
const text = expect.any(String);
const aiUsage = {
  total_tokens_consumed: integer,
  original_tokens_included: integer,
  actual_tokens_remaining: integer,
};
const subscription = {
  plan: { id: 'starter', name: 'Starter' },
  status: 'active',
  starts_at: text,
  ends_at: text,
  renews: false,
  tokens_remaining: integer,
  ai_usage: aiUsage,
};

describe('what an account sees of itself has these fields and no others', () => {
  it.each<[string, object]>([
    [
      '/api/accounts/profile',
      {
        id: text,
        email,
        role: 'tenant',
        token_usage_remaining: expect.any(Number),
        subscription_remaining: expect.any(Number),
        created_at: text,
      },
    ],
    ['/api/accounts/overview', { token_usage_remaining: expect.any(Number), current_subscription: subscription }],
    [
      '/api/billing/overview',
      {
        ai_tokens_total: integer,
        original_tokens_included: integer,
        actual_tokens_remaining: integer,
        tokens_held: integer,
      },
    ],
    ['/api/billing/subscription', subscription],
    [
      '/api/billing/plans',
      {
        plans: [
          { id: 'starter', name: 'Starter', tokens: 10_000, period_days: 30 },
          { id: 'growth', name: 'Growth', tokens: 100_000, period_days: 30 },
          { id: 'scale', name: 'Scale', tokens: 1_000_000, period_days: 30 },
        ],
        current: { plan: 'starter', tokens_remaining: integer, ai_usage: aiUsage },
      },
    ],
  ])('%s', async (path, fields) => {
    const { status, body } = await call('GET', path, { token });
    expect({ status, body }).toEqual({ status: 200, body: { success: true, ...fields } });
  });
});

describe('what is left', () => {
  it('is a percentage of tokens and of days, rounded down', async () => {
    const operator = await newPerson({ role: 'operator' });
    const person = await newPerson();
    const body = {
      email: person.email,
      plan: 'starter',
      tokens: 3_000,
      starts_at: new Date(Date.now() - 10 * 86_400_000).toISOString(),
      ends_at: new Date(Date.now() + 20 * 86_400_000).toISOString(),
    };
    await call('POST', '/api/admin/subscriptions', { token: operator.token, body });
    await call('POST', '/api/admin/grants', {
      token: operator.token,
      body: { email: person.email, tokens: -1, reason: 'one token' },
    });
    const profile = await call('GET', '/api/accounts/profile', { token: person.token });
    expect(profile.body).toMatchObject({ token_usage_remaining: 99.96, subscription_remaining: 66.66 });
  });
});

describe('usage', () => {
  it('is told by day, task and model, and sums up to what was consumed', async () => {
    const person = await newPerson({ tokens: 10_000 });
    const jobs = [await ask(person.token, 'First?'), await ask(person.token, 'Second?')];
    const { body } = await call('GET', '/api/billing/usage', { token: person.token });
    expect(body).toEqual({
      success: true,
      usage: [
        {
          day: new Date().toISOString().slice(0, 10),
          task: 'ask-question',
          model: 'gpt-4o-mini',
          calls: 2,
          input_tokens: integer,
          output_tokens: integer,
          tokens_billed: jobs.reduce((sum, job) => sum + job.tokens_consumed, 0),
        },
      ],
    });
  });

  it('is the account’s own', async () => {
    const other = await newPerson({ tokens: 1_000 });
    expect((await call('GET', '/api/billing/usage?days=366', { token: other.token })).body).toMatchObject({
      usage: [],
    });
  });
});
