import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';

const { api, ask, call, newPerson } = await startPlatform();
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
  refusal: null,
  suspended_at: null,
  booked: null,
  tokens_remaining: integer,
  ai_usage: aiUsage,
};

describe('the exact response fields of', () => {
  it.each<[string, object]>([
    [
      '/api/accounts/profile',
      {
        id: text,
        email,
        email_confirmed: true,
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
        storage_bytes_used: integer,
        storage_bytes_limit: integer,
        status: 'active',
        refusal: null,
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

describe('the remaining percentages', () => {
  it('count tokens and days, rounded down', async () => {
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
    const { tokens_consumed } = await ask(person.token, 'How much is left?');
    const profile = await call('GET', '/api/accounts/profile', { token: person.token });
    expect(profile.body).toMatchObject({
      token_usage_remaining: Math.floor((3_000 - tokens_consumed) / 0.3) / 100,
      subscription_remaining: 66.66,
    });
  });
});

describe('GET /api/billing/usage', () => {
  it('sums to the consumed tokens by day, task and model', async () => {
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

  it('returns whole UTC days for any number of days', async () => {
    const person = await newPerson({ tokens: 10_000 });
    const { rows } = await api.services.db.pool.query<{ day: string }>(
      `insert into ai_usage_log (id, account_id, subscription_id, job_id, step, fence, task, model, input_tokens,
         cached_input_tokens, output_tokens, reasoning_tokens, total_tokens, billed_tokens, evidence, outcome, latency_ms,
         created_at)
       select gen_random_uuid(), account_id, id, gen_random_uuid(), 'answer', 1, 'ask-question', 'm', 90, 0, 10, 0, 100,
         100, 'reported', 'answered', 5,
         date_trunc('day', now() at time zone 'utc') at time zone 'utc' - at
       from subscriptions, unnest(array['1 second', '23 hours 59 minutes', '24 hours', '47 hours']::interval[]) at
       where account_id = $1 returning to_char(created_at at time zone 'utc', 'YYYY-MM-DD') as day`,
      [person.accountId],
    );
    const days = [...new Set(rows.map(({ day }) => day))].sort().reverse();
    for (const [asked, shown] of [
      [1, []],
      [2, days.slice(0, 1)],
      [3, days],
      [30, days],
    ] as const) {
      const { body } = await call<{ usage: { day: string; tokens_billed: number }[] }>(
        'GET',
        `/api/billing/usage?days=${asked}`,
        { token: person.token },
      );
      const sums = body.usage.map(({ day, tokens_billed }) => [day, tokens_billed]);
      expect(sums).toEqual(shown.map((day, i) => [day, i === 0 ? 300 : 100]));
    }
  });

  it('returns only the account’s own usage', async () => {
    const other = await newPerson({ tokens: 1_000 });
    expect((await call('GET', '/api/billing/usage?days=366', { token: other.token })).body).toMatchObject({
      usage: [],
    });
  });
});
