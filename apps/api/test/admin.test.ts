import { listRenewalsDue } from '@tally/db';
import { until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';

const { api, call, newPerson, poll, sandbox, submit } = await startPlatform();
const operator = await newPerson({ role: 'operator' });

type Shown = {
  plan: { id: string } | null;
  status: string;
  starts_at: string;
  ends_at: string;
  tokens_remaining: number;
  ai_usage: { original_tokens_included: number; total_tokens_consumed: number };
};
type Done = { email: string; subscription: Shown; error_code?: string; details?: unknown };

const administer = (
  path: 'grants' | 'subscriptions' | 'accounts/suspend' | 'accounts/resume',
  body: object,
  headers: Record<string, string> = {},
) => call<Done>('POST', `/api/admin/${path}`, { token: operator.token, body, headers });
const grant = (email: string, tokens: number, headers?: Record<string, string>) =>
  administer('grants', { email, tokens, reason: 'for a test' }, headers);
const balanceOf = async (token: string) =>
  (await call<{ actual_tokens_remaining: number }>('GET', '/api/billing/overview', { token })).body
    .actual_tokens_remaining;

describe('operators’ routes', () => {
  it('return 403 to tenants’ tokens and API keys', async () => {
    const { email, token } = await newPerson({ tokens: 100 });
    const { body } = await call<{ api_key: { key: string } }>('POST', '/api/accounts/api-keys', {
      token,
      body: { name: 'x' },
    });
    for (const credential of [token, body.api_key.key])
      for (const path of [
        '/api/admin/grants',
        '/api/admin/subscriptions',
        '/api/admin/grants/',
        '/api/admin/nothing',
      ]) {
        const request = { token: credential, body: { email, tokens: 1_000_000, plan: 'scale', reason: 'greed' } };
        expect(await call('POST', path, request)).toMatchObject({ status: 403, body: { error_code: 'forbidden' } });
      }
    expect(await balanceOf(token)).toBe(100);
  });

  it('name the invalid field: address, plan, tokens, reason, date', async () => {
    const { email } = await newPerson({ tokens: 100 });
    const unknown = { email: 'nobody@example.com', tokens: 1, reason: 'x' };
    expect(await administer('grants', unknown)).toMatchObject({ status: 404, body: { error_code: 'not_found' } });
    expect((await administer('subscriptions', { email: unknown.email, plan: 'starter' })).status).toBe(404);
    const wrong: ['grants' | 'subscriptions', object, string][] = [
      ['grants', { email, tokens: 0, reason: 'x' }, 'tokens'],
      ['grants', { email, tokens: 1.5, reason: 'x' }, 'tokens'],
      ['grants', { email, tokens: '5', reason: 'x' }, 'tokens'],
      ['grants', { email, tokens: 1e300, reason: 'x' }, 'tokens'],
      ['grants', { email, tokens: 1, reason: ' ' }, 'reason'],
      ['grants', { email: 'no address', tokens: 1, reason: 'x' }, 'email'],
      ['subscriptions', { email, plan: 'platinum' }, 'plan'],
      ['subscriptions', { email, plan: 'starter', tokens: -1 }, 'tokens'],
      ['subscriptions', { email, plan: 'starter', status: 'ended' }, 'status'],
      ['subscriptions', { email, plan: 'starter', ends_at: 'tomorrow' }, 'ends_at'],
      ['subscriptions', { email, plan: 'starter', starts_at: '2026-02-30T00:00:00Z' }, 'starts_at'],
      ['subscriptions', { email, plan: 'starter', starts_at: '9999-12-31T23:59:59Z' }, 'starts_at'],
      [
        'subscriptions',
        { email, plan: 'starter', starts_at: '2026-02-02T00:00:00Z', ends_at: '2026-02-01T00:00:00Z' },
        'ends_at',
      ],
    ];
    for (const [path, body, field] of wrong)
      expect(await administer(path, body)).toMatchObject({
        status: 400,
        body: {
          error_code: 'invalid_input',
          details: expect.arrayContaining([{ path: field, message: expect.any(String) }]),
        },
      });
  });
});

describe('a grant', () => {
  it('adds tokens; a negative grant takes away free tokens', async () => {
    const { email, token } = await newPerson({ tokens: 1_000 });
    const added = await grant(email.toUpperCase(), 500);
    expect(added).toMatchObject({
      status: 201,
      body: { success: true, email, tokens: 500, subscription: { tokens_remaining: 1_500 } },
    });
    expect((await grant(email, -1_500)).body.subscription.tokens_remaining).toBe(0);
    expect(await call('POST', '/api/ai/ask-question', { token, body: { question: 'Still?' } })).toMatchObject({
      status: 402,
      body: { error_code: 'no_tokens_remaining', tokens_remaining: 0, original_tokens: 0, consumed_tokens: 0 },
    });
  });

  it('takes nothing unless all of it is free and not on hold', async () => {
    const { accountId, email, token } = await newPerson({ tokens: 1_000 });
    expect(await grant(email, -1_001)).toMatchObject({ status: 409, body: { error_code: 'conflict' } });
    expect(await balanceOf(token)).toBe(1_000);
    sandbox.faults.set([{ kind: 'slow', delay_ms: 1_000, match: { user: accountId } }]);
    onTestFinished(() => sandbox.faults.clear());
    const jobId = await submit(token, 'Who holds the tokens?');
    await until(() => sandbox.book.list({ user: accountId }).length === 1);
    expect((await grant(email, -900)).status).toBe(409);
    const job = await poll(token, jobId);
    expect(job.status).toBe('completed');
    expect(await balanceOf(token)).toBe(1_000 - job.tokens_consumed);
  });

  it('needs a subscription', async () => {
    const { email } = await newPerson();
    for (const tokens of [5, -5]) expect(await grant(email, tokens)).toMatchObject({ status: 409 });
  });

  it.each([700, -700])('of %d with a key applies once and repeats the first response', async (tokens) => {
    const { email, token } = await newPerson({ tokens: 1_000 });
    const key = { 'idempotency-key': 'once' };
    const first = await grant(email, tokens, key);
    expect(first.status).toBe(201);
    expect(await grant(email, tokens, key)).toMatchObject({ status: 201, body: first.body });
    expect(await balanceOf(token)).toBe(1_000 + tokens);
    expect(await grant(email, tokens + 1, key)).toMatchObject({
      status: 409,
      body: { error_code: 'idempotency_conflict' },
    });
  });

  it.each([300, -300])('of %d with a key applies once for ten concurrent requests', async (tokens) => {
    const { email, token } = await newPerson({ tokens: 5_000 });
    const all = await Promise.all(
      Array.from({ length: 10 }, () => grant(email, tokens, { 'idempotency-key': 'race' })),
    );
    expect(all.some(({ status }) => status === 201)).toBe(true);
    for (const { status, body } of all)
      if (status !== 201) expect({ status, code: body.error_code }).toEqual({ status: 409, code: 'conflict' });
    expect(await balanceOf(token)).toBe(5_000 + tokens);
  });

  it('without a key applies each time', async () => {
    const { email, token } = await newPerson({ tokens: 100 });
    await Promise.all([grant(email, 10), grant(email, 10), grant(email, 10)]);
    expect(await balanceOf(token)).toBe(130);
  });

  it('that was refused frees its key', async () => {
    const { email, token } = await newPerson({ tokens: 100 });
    const key = { 'idempotency-key': 'later' };
    expect((await grant(email, -200, key)).status).toBe(409);
    await grant(email, 100);
    expect((await grant(email, -200, key)).status).toBe(201);
    expect(await balanceOf(token)).toBe(0);
  });

  it('has a key independent of the tenant’s own keys', async () => {
    const { email, token } = await newPerson({ tokens: 1_000 });
    for (const key of ['may', 'admin may', 'admin\\nmay'])
      await submit(token, 'Is this key taken?', { 'idempotency-key': key });
    expect((await grant(email, 10, { 'idempotency-key': 'may' })).status).toBe(201);
  });

  it('has a key per account', async () => {
    const [one, two] = [await newPerson({ tokens: 1 }), await newPerson({ tokens: 1 })];
    for (const { email, token } of [one, two]) {
      expect((await grant(email, 9, { 'idempotency-key': 'both' })).status).toBe(201);
      expect(await balanceOf(token)).toBe(10);
    }
  });
});

describe('a new subscription', () => {
  it('starts now with the plan’s tokens and days by default', async () => {
    const { email } = await newPerson();
    const { status, body } = await administer('subscriptions', { email, plan: 'growth' });
    expect(status).toBe(201);
    expect(body.subscription).toMatchObject({ plan: { id: 'growth' }, status: 'active', tokens_remaining: 100_000 });
    const { starts_at, ends_at } = body.subscription;
    expect(Date.parse(ends_at) - Date.parse(starts_at)).toBe(30 * 86_400_000);
    const small = await administer('subscriptions', { email, plan: 'starter', tokens: 5 });
    expect(small.body.subscription.tokens_remaining).toBe(5);
  });

  it('ends the running one and keeps unused top-ups', async () => {
    const { email, token } = await newPerson({ tokens: 1_000 });
    await grant(email, 400);
    // Taken from the top-up, which leaves 300.
    await grant(email, -100);
    const { body } = await administer('subscriptions', { email, plan: 'starter' });
    expect(body.subscription).toMatchObject({
      tokens_remaining: 10_300,
      ai_usage: { original_tokens_included: 10_300, total_tokens_consumed: 0 },
    });
    expect(await balanceOf(token)).toBe(10_300);
  });

  it('lets a running job settle on the old one before top-ups move', async () => {
    const { accountId, email, token } = await newPerson({ tokens: 0 });
    await grant(email, 2_000);
    sandbox.faults.set([{ kind: 'slow', delay_ms: 1_000, match: { user: accountId } }]);
    onTestFinished(() => sandbox.faults.clear());
    const jobId = await submit(token, 'Which subscription pays?');
    await until(() => sandbox.book.list({ user: accountId }).length === 1);
    await administer('subscriptions', { email, plan: 'starter' });
    const { tokens_consumed } = await poll(token, jobId);
    await until(async () => (await balanceOf(token)) === 12_000 - tokens_consumed);
  });

  it.each([
    ['inactive', { status: 'inactive' }, 'subscription_inactive'],
    ['expired', { status: 'expired' }, 'subscription_expired'],
    ['over', { ends_at: '2024-01-01T00:00:00Z' }, 'subscription_expired'],
    ['of the year 0', { starts_at: '0000-01-01T00:00:00Z', ends_at: '0000-01-02T00:00:00Z' }, 'subscription_expired'],
    ['yet to come', { starts_at: '9998-01-01T00:00:00+03:30' }, 'subscription_inactive'],
  ])('that is %s refuses tasks with its reason', async (_, more, code) => {
    const { email, token } = await newPerson();
    expect((await administer('subscriptions', { email, plan: 'starter', ...more })).status).toBe(201);
    const refused = await call('POST', '/api/ai/ask-question', { token, body: { question: 'May I?' } });
    expect(refused).toMatchObject({ status: 402, body: { error_code: code } });
  });

  it('with a key starts once for ten concurrent requests', async () => {
    const { email, token } = await newPerson({ tokens: 0 });
    await grant(email, 100);
    const start = () => administer('subscriptions', { email, plan: 'starter' }, { 'idempotency-key': 'new period' });
    const all = await Promise.all(Array.from({ length: 10 }, start));
    expect(all.some(({ status }) => status === 201)).toBe(true);
    await grant(email, -50);
    // A second start would reset the balance to 10,100.
    expect(await start()).toMatchObject({ status: 201, body: { subscription: { tokens_remaining: 10_100 } } });
    expect(await balanceOf(token)).toBe(10_050);
  });
});

describe('a booked subscription', () => {
  const tomorrow = () => new Date(Date.now() + 86_400_000).toISOString();
  const begin = (accountId: string) =>
    api.services.db.pool.query(
      `update booked_periods set starts_at = now() - interval '1 second' where account_id = $1`,
      [accountId],
    );

  it('is shown and leaves the running one alone', async () => {
    const { email, token } = await newPerson({ tokens: 1_000 });
    const starts_at = tomorrow();
    const { status, body } = await administer('subscriptions', { email, plan: 'growth', starts_at });
    expect(status).toBe(201);
    expect(body.subscription).toMatchObject({
      plan: { id: 'starter' },
      status: 'active',
      tokens_remaining: 1_000,
      booked: { plan: 'growth', tokens: 100_000, starts_at },
    });
    const asked = await call('POST', '/api/ai/ask-question', { token, body: { question: 'Does it still run?' } });
    expect(asked.status).toBe(202);
  });

  it.each(['submission', 'page'])('starts with the first %s after its time, with top-ups', async (what) => {
    const { accountId, email, token } = await newPerson({ tokens: 1_000 });
    await grant(email, 400);
    await administer('subscriptions', { email, plan: 'growth', starts_at: tomorrow() });
    await begin(accountId);
    if (what === 'submission') await poll(token, await submit(token, 'Which period pays?'));
    const { body } = await call<Shown>('GET', '/api/billing/subscription', { token });
    expect(body).toMatchObject({ plan: { id: 'growth' }, status: 'active', booked: null });
    expect(body.ai_usage).toMatchObject({ original_tokens_included: 100_400 });
  });

  it('starts by itself without requests', async () => {
    const { accountId, email } = await newPerson({ tokens: 1_000 });
    await administer('subscriptions', { email, plan: 'growth', starts_at: tomorrow() });
    await begin(accountId);
    const plan = 'select plan_id from subscriptions where account_id = $1 and is_current';
    await until(async () => {
      const { rows } = await api.services.db.pool.query<{ plan_id: string }>(plan, [accountId]);
      return rows[0]?.plan_id === 'growth';
    });
  });

  it('is cancelled by a subscription that starts now', async () => {
    const { email, token } = await newPerson({ tokens: 1_000 });
    await administer('subscriptions', { email, plan: 'growth', starts_at: tomorrow() });
    await administer('subscriptions', { email, plan: 'scale' });
    const { body } = await call<Shown>('GET', '/api/billing/subscription', { token });
    expect(body).toMatchObject({ plan: { id: 'scale' }, booked: null });
  });

  it('is booked once for ten concurrent requests', async () => {
    const { email, token } = await newPerson({ tokens: 1_000 });
    const input = { email, plan: 'growth', starts_at: tomorrow() };
    const key = { 'idempotency-key': 'booked at once' };
    const all = await Promise.all(Array.from({ length: 10 }, () => administer('subscriptions', input, key)));
    expect(all.some(({ status }) => status === 201)).toBe(true);
    const { body } = await call<Shown>('GET', '/api/billing/subscription', { token });
    expect(body).toMatchObject({ plan: { id: 'starter' }, booked: { plan: 'growth' } });
  });

  it('is replaced by another booking and can be deleted', async () => {
    const { email, token } = await newPerson({ tokens: 1_000 });
    const key = { 'idempotency-key': 'booked' };
    for (const plan of ['growth', 'scale'])
      await administer('subscriptions', { email, plan, starts_at: tomorrow() }, plan === 'growth' ? key : {});
    const read = async () => (await call<Shown>('GET', '/api/billing/subscription', { token })).body;
    expect(await read()).toMatchObject({ booked: { plan: 'scale' } });
    const path = `/api/admin/subscriptions/booked?email=${encodeURIComponent(email)}`;
    const removed = await call<Done>('DELETE', path, { token: operator.token });
    expect(removed).toMatchObject({ status: 200, body: { subscription: { booked: null, tokens_remaining: 1_000 } } });
    expect((await call('DELETE', path, { token: operator.token })).status).toBe(404);
    expect((await call('DELETE', path, { token })).status).toBe(403);
  });
});

describe('an operator’s repeated request', () => {
  it('starts no second period, also after its key has expired', async () => {
    const { accountId, email, token } = await newPerson({ tokens: 0 });
    const start = () => administer('subscriptions', { email, plan: 'starter' }, { 'idempotency-key': 'lost' });
    expect((await start()).status).toBe(201);
    await grant(email, -4_000);
    const { db } = api.services;
    await db.pool.query('delete from idempotency_keys where account_id = $1', [accountId]);
    expect((await start()).status).toBe(201);
    expect(await balanceOf(token)).toBe(6_000);
    await db.pool.query('delete from idempotency_keys where account_id = $1', [accountId]);
    await db.pool.query(
      `update subscriptions set created_at = created_at - interval '25 hours' where account_id = $1`,
      [accountId],
    );
    expect(await start()).toMatchObject({ status: 409, body: { error_code: 'idempotency_conflict' } });
    expect(await balanceOf(token)).toBe(6_000);
  });
});

describe('a suspended account', () => {
  const suspend = (email: string) => administer('accounts/suspend', { email, reason: 'Invoice 7 is open' });
  const resume = (email: string) => administer('accounts/resume', { email });
  const ask = (token: string) => call('POST', '/api/ai/ask-question', { token, body: { question: 'May I?' } });

  it('gets 402 and keeps its period and balance', async () => {
    const { accountId, email, token } = await newPerson({ tokens: 1_000 });
    const { tokens_consumed } = await poll(token, await submit(token, 'Before?'));
    const read = async () => (await call<Shown>('GET', '/api/billing/subscription', { token })).body;
    const before = await read();
    expect((await suspend(email)).body.subscription).toMatchObject({ status: 'inactive' });
    expect(await ask(token)).toMatchObject({
      status: 402,
      body: { error_code: 'subscription_inactive', tokens_remaining: 1_000 - tokens_consumed },
    });
    const overview = await call('GET', '/api/billing/overview', { token });
    expect(overview.body).toMatchObject({ status: 'inactive', refusal: 'subscription_inactive' });
    expect((await suspend(email)).status).toBe(200);
    expect((await resume(email)).status).toBe(200);
    expect((await resume(email)).status).toBe(200);
    expect(await read()).toEqual(before);
    expect((await ask(token)).status).toBe(202);
    const { rows } = await api.services.db.pool.query('select from subscriptions where account_id = $1', [accountId]);
    expect(rows).toHaveLength(1);
  });

  it('is renewed only once it is resumed', async () => {
    const { accountId, email, token } = await newPerson({ tokens: 1_000 });
    const { db } = api.services;
    await suspend(email);
    await db.pool.query('update subscriptions set ends_at = now(), renews = true where account_id = $1', [accountId]);
    expect(await ask(token)).toMatchObject({ status: 402, body: { error_code: 'subscription_inactive' } });
    expect(await listRenewalsDue(db, 1_000)).not.toContain(accountId);
    await resume(email);
    expect((await ask(token)).status).toBe(202);
    expect(await balanceOf(token)).toBeGreaterThan(0);
  });

  it('can be suspended and resumed only by operators', async () => {
    const { email, token } = await newPerson({ tokens: 1_000 });
    for (const path of ['suspend', 'resume'])
      expect(await call('POST', `/api/admin/accounts/${path}`, { token, body: { email, reason: 'x' } })).toMatchObject({
        status: 403,
      });
  });
});
