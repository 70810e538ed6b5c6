/** 402 responses and rejected jobs of accounts that can't pay or may not use AI. */
import { questionPath } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';

const { call, newPerson, poll } = await startPlatform();

const ask = (token: string, question: string) => call('POST', questionPath, { token, body: { question } });

describe('a submission above the balance', () => {
  it('is refused with the needed and remaining tokens', async () => {
    const { token } = await newPerson({ tokens: 150 });
    const { status, body, headers } = await ask(token, 'How long do I have to return it?');
    expect({ status, body }).toEqual({
      status: 402,
      body: {
        success: false,
        error: 'This needs at least 188 tokens, and 150 are left in the subscription',
        error_code: 'no_tokens_remaining',
        request_id: expect.any(String),
        tokens_remaining: 150,
        original_tokens: 150,
        consumed_tokens: 0,
      },
    });
    expect(headers.get('x-tokens-remaining')).toBe('150');
    expect(headers.get('link')).toContain('</api/billing/overview>');
  });

  it('says “No tokens remaining” only where nothing is left', async () => {
    const { token } = await newPerson({ tokens: 0 });
    const { body, headers } = await ask(token, 'How long do I have to return it?');
    expect(body.error).toBe('No tokens remaining in subscription');
    expect(headers.get('x-tokens-remaining')).toBe('0');
  });

  it('counts the words of a long question', async () => {
    const { token } = await newPerson({ tokens: 1_000 });
    const long = await ask(token, 'lamp '.repeat(1_500));
    expect(long).toMatchObject({ status: 402, body: { error: expect.stringContaining('at least 1680 tokens') } });
    expect((await ask(token, 'lamp')).status).toBe(202);
  });

  it('is accepted with one token left if the task may cost nothing', async () => {
    const { token } = await newPerson({ tokens: 1 });
    const extract = (url: string) => call('POST', '/api/web-knowledge/extract-products', { token, body: { url } });
    expect((await extract('https://shop.example/p/1')).status).toBe(202);
  });
});

describe('a job above the balance', () => {
  it('is rejected with the needed and remaining tokens', async () => {
    const { token } = await newPerson({ tokens: 198 });
    for (let i = 0; i < 3; i++)
      await call('POST', '/api/knowledge', {
        token,
        body: {
          title: `Returns ${i}`,
          text: 'You have 30 days from delivery to return a lamp, in its box. '.repeat(4),
        },
      });
    const accepted = await ask(token, 'How many days to return a lamp?');
    expect(accepted.status).toBe(202);
    const job = await poll(token, String(accepted.body.job_id));
    expect(job).toMatchObject({ status: 'rejected', error_code: 'no_tokens_remaining', tokens_consumed: 0 });
    expect(job.error).toMatch(/^This needs at least [3-9]\d\d tokens, and 198 are left in the subscription$/);
  });
});

describe('the overview of an account that may not use AI', () => {
  it.each([
    ['expired', { status: 'expired' }, 'subscription_expired'],
    ['inactive', { status: 'inactive' }, 'subscription_inactive'],
    ['active', { tokens: 0 }, 'no_tokens_remaining'],
  ])('shows the refusal: %s', async (status, subscription, refusal) => {
    const { email, token } = await newPerson();
    const operator = await newPerson({ role: 'operator' });
    const body = { email, plan: 'starter', ...subscription };
    await call('POST', '/api/admin/subscriptions', { token: operator.token, body });
    const overview = await call('GET', '/api/billing/overview', { token });
    expect(overview.body).toMatchObject({ status, refusal });
  });
});
