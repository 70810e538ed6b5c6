/** Ownership of e-mail addresses: confirmation, claims, plans for new accounts, password resets. */
import { type Platform, testPassword, until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';

const platform = await startPlatform({
  worker: false,
  env: { SIGNUP_PLAN: 'growth', PROXY_HOPS: '1', LIMIT_LOGINS: '1000' },
});
const { api, call, login, newPerson, register, sandbox } = platform;
const operator = await newPerson({ role: 'operator' });

let count = 0;
const newAddress = () => `owner${++count}@example.com`;
let networks = 0;
/** Each request comes from another network unless `from` is given. */
const post = <Shape = Record<string, unknown>>(path: string, body: object, from = `198.51.${++networks % 250}.7`) =>
  call<Shape>('POST', path, { body, headers: { 'x-forwarded-for': from } });

/** The token of the latest link sent to an address. */
async function linkTo(email: string, purpose: 'confirm' | 'reset', at: Platform = platform): Promise<string> {
  const find = () =>
    at.sandbox.mailbox
      .list(email)
      .map(({ text }) => new RegExp(`/account/${purpose}#([\\w-]{43})`).exec(text)?.[1])
      .find((token) => token !== undefined);
  await until(() => find() !== undefined);
  return find() ?? '';
}
const followLink = (token: string, password = testPassword, from?: string) =>
  post<{ access_token: string; plan_started: boolean }>('/api/accounts/confirm', { token, password }, from);
const confirm = async (email: string, from?: string) => followLink(await linkTo(email, 'confirm'), testPassword, from);
const tokensOf = async (token: string) =>
  (await call<{ actual_tokens_remaining: number }>('GET', '/api/billing/overview', { token })).body
    .actual_tokens_remaining;

describe('an e-mail address', () => {
  it('is confirmed once by its link, which starts the signup plan', async () => {
    const email = newAddress();
    const token = await register(email);
    expect(await tokensOf(token)).toBe(0);
    expect((await call('GET', '/api/accounts/profile', { token })).body).toMatchObject({ email_confirmed: false });
    const confirmed = await confirm(email);
    expect(confirmed).toMatchObject({ status: 200, body: { plan_started: true } });
    expect(await tokensOf(token)).toBe(100_000);
    expect((await call('GET', '/api/accounts/profile', { token })).body).toMatchObject({ email_confirmed: true });
    expect((await confirm(email)).status).toBe(404);
  });

  it('is not confirmed by an expired or unknown link', async () => {
    const email = newAddress();
    await register(email);
    const token = await linkTo(email, 'confirm');
    await api.services.db.pool.query(`update email_links set expires_at = now()`);
    expect((await followLink(token)).status).toBe(404);
    expect((await followLink('x'.repeat(43))).status).toBe(404);
    expect((await followLink('x')).status).toBe(400);
  });

  it('needs the registration password to be confirmed', async () => {
    const email = newAddress();
    const squatter = await register(email, 'the squatter’s own');
    const link = await linkTo(email, 'confirm');
    expect((await followLink(link)).status).toBe(401);
    expect((await call('GET', '/api/accounts/profile', { token: squatter })).body).toMatchObject({
      email_confirmed: false,
    });
    expect(await tokensOf(squatter)).toBe(0);
    expect((await followLink(link, 'the squatter’s own')).status).toBe(200);
  });

  it('goes to the owner who confirms, without the squatter’s data', async () => {
    const email = newAddress();
    const squatter = await register(email, 'the squatter’s own');
    const made = await call<{ api_key: { key: string } }>('POST', '/api/accounts/api-keys', {
      token: squatter,
      body: { name: 'x' },
    });
    await call('POST', '/api/knowledge', { token: squatter, body: { title: 'Prices', text: 'All is free.' } });
    const claimed = await post('/api/accounts/register', { email, password: testPassword });
    expect(claimed).toMatchObject({ status: 202, body: { confirmation: 'sent' } });
    expect(claimed.body).not.toHaveProperty('access_token');
    // The claim has no effect until the owner follows the link.
    expect((await call('GET', '/api/accounts/profile', { token: squatter })).status).toBe(200);
    const confirmed = await confirm(email);
    for (const token of [squatter, made.body.api_key.key])
      expect((await call('GET', '/api/accounts/profile', { token })).status).toBe(401);
    expect((await post('/api/accounts/login', { email, password: 'the squatter’s own' })).status).toBe(401);
    const token = await login(email);
    expect((await call<{ knowledge: unknown[] }>('GET', '/api/knowledge', { token })).body.knowledge).toEqual([]);
    expect(await tokensOf(confirmed.body.access_token)).toBe(100_000);
  });

  it('can’t be claimed by older links once it is confirmed', async () => {
    const email = newAddress();
    await register(email);
    await post('/api/accounts/register', { email, password: 'another one’s own' });
    const [claim, own] = await (async () => {
      await until(() => sandbox.mailbox.list(email).length === 2);
      return sandbox.mailbox.list(email).map(({ text }) => /#([\w-]{43})/.exec(text)?.[1] ?? '');
    })();
    expect((await followLink(own ?? '')).status).toBe(200);
    expect((await followLink(claim ?? '', 'another one’s own')).status).toBe(404);
    expect((await post('/api/accounts/register', { email, password: 'another one’s own' })).status).toBe(409);
    await login(email);
  });

  it('gets at most five e-mails an hour', async () => {
    const email = newAddress();
    const token = await register(email);
    const again = () => call('POST', '/api/accounts/confirmation', { token });
    for (let i = 0; i < 4; i++) expect((await again()).status).toBe(202);
    expect((await again()).status).toBe(429);
  });
});

describe('the plan for new accounts', () => {
  it('starts once per mailbox, also for aliases and after erasure', async () => {
    const first = await register('only.once@gmail.com');
    expect((await confirm('only.once@gmail.com')).body.plan_started).toBe(true);
    for (const email of ['only.once+2@gmail.com', 'onlyonce@googlemail.com', 'ONLYONCE+3@gmail.com']) {
      await post('/api/accounts/register', { email, password: testPassword });
      expect((await confirm(email.toLowerCase())).body.plan_started).toBe(false);
    }
    expect((await call('POST', '/api/accounts/erase', { token: first, body: { password: testPassword } })).status).toBe(
      202,
    );
    sandbox.mailbox.clear();
    await register('only.once@gmail.com');
    expect((await confirm('only.once@gmail.com')).body.plan_started).toBe(false);
  });

  it('starts five times a day per network (IPv6 /48)', async () => {
    const given: boolean[] = [];
    for (let i = 0; i < 7; i++) {
      const email = newAddress();
      const from = `2001:db8:77:${i}::1`;
      await post('/api/accounts/register', { email, password: testPassword }, from);
      given.push((await confirm(email, from)).body.plan_started);
    }
    expect(given).toEqual([true, true, true, true, true, false, false]);
  });
});

describe('an operator’s request by e-mail address', () => {
  const administer = (path: string, body: object) =>
    call('POST', `/api/admin/${path}`, { token: operator.token, body });

  it('refuses unconfirmed addresses without allow_unconfirmed', async () => {
    const email = newAddress();
    const token = await register(email);
    const refused = await administer('subscriptions', { email, plan: 'scale' });
    expect(refused).toMatchObject({ status: 409, body: { error_code: 'conflict' } });
    expect(refused.body.error).toContain('allow_unconfirmed');
    expect((await administer('subscriptions', { email, plan: 'starter', allow_unconfirmed: true })).status).toBe(201);
    expect((await administer('grants', { email, tokens: 5, reason: 'A gift' })).status).toBe(409);
    expect((await administer('grants', { email, tokens: 5, reason: 'A gift', allow_unconfirmed: true })).status).toBe(
      201,
    );
    expect((await administer('grants', { email, tokens: -5, reason: 'A mistake' })).status).toBe(201);
    expect(await tokensOf(token)).toBe(10_000);
  });
});

describe('a password reset', () => {
  it('works once by link, ends logins, and reveals no accounts', async () => {
    const email = newAddress();
    const token = await register(email);
    await confirm(email);
    const asked = await post('/api/accounts/password/forgot', { email });
    const unknown = await post('/api/accounts/password/forgot', { email: 'nobody-has-this@example.com' });
    expect([asked.status, unknown.status]).toEqual([202, 202]);
    expect(unknown.body).toEqual(asked.body);
    const link = await linkTo(email, 'reset');
    const reset = (new_password: string) =>
      post<{ access_token: string }>('/api/accounts/password/reset', { token: link, new_password });
    expect((await reset('password123')).status).toBe(400);
    const done = await reset('an entirely new one');
    expect(done.status).toBe(200);
    expect((await call('GET', '/api/accounts/profile', { token })).status).toBe(401);
    expect((await call('GET', '/api/accounts/profile', { token: done.body.access_token })).status).toBe(200);
    expect((await reset('and another one now')).status).toBe(404);
    await login(email, 'an entirely new one');
    expect(sandbox.mailbox.list('nobody-has-this@example.com')).toEqual([]);
  });

  it('returns no token where a second factor is enabled', async () => {
    const { email, accountId } = await newPerson();
    await api.services.db.pool.query('update accounts set totp_enabled_at = now() where id = $1', [accountId]);
    await post('/api/accounts/password/forgot', { email });
    const token = await linkTo(email, 'reset');
    const done = await post('/api/accounts/password/reset', { token, new_password: 'an entirely new one' });
    expect(done.status).toBe(200);
    expect(done.body).not.toHaveProperty('access_token');
  });

  it('confirms an unconfirmed address and ends earlier logins', async () => {
    const email = newAddress();
    const squatter = await register(email, 'the squatter’s own');
    await post('/api/accounts/password/forgot', { email });
    const token = await linkTo(email, 'reset');
    expect((await post('/api/accounts/password/reset', { token, new_password: testPassword })).status).toBe(200);
    expect((await call('GET', '/api/accounts/profile', { token: squatter })).status).toBe(401);
    expect((await call('GET', '/api/accounts/profile', { token: await login(email) })).body).toMatchObject({
      email_confirmed: true,
    });
  });
});

describe('a password', () => {
  it.each([
    ['too short', 'ninechars'],
    ['one of the most common', 'Password123'],
    ['the address', 'pooraddress@example.com'],
    ['what stands before its @', 'pooraddress'],
  ])('that is %s is refused at registration and change', async (_, password) => {
    const email = 'pooraddress@example.com';
    expect((await post('/api/accounts/register', { email, password })).status).toBe(400);
    const { token } = await newPerson({ email: `${Math.random()}${email}` });
    const body = { current_password: testPassword, new_password: password };
    const changed = await call('POST', '/api/accounts/password', { token, body });
    expect(changed.status).toBe(_.startsWith('the address') || _.startsWith('what') ? 200 : 400);
  });
});

describe('the pages of e-mail links', () => {
  it('have a form, a strict CSP, and no inline script', async () => {
    for (const purpose of ['confirm', 'reset']) {
      const page = await call('GET', `/account/${purpose}`);
      expect(page.status).toBe(200);
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(page.text).toContain('<button>');
      expect(page.text).not.toMatch(/<script>|onclick|style=/);
    }
    expect((await call('GET', '/account/page.js')).text).toContain('location.hash');
  });
});

describe('an installation without SMTP_URL', () => {
  it('opens accounts and reports that no e-mail was sent', async () => {
    const silent = await startPlatform({ worker: false, env: { SMTP_URL: '' } });
    const body = { email: newAddress(), password: testPassword };
    const opened = await silent.call('POST', '/api/accounts/register', { body });
    expect(opened).toMatchObject({ status: 201, body: { confirmation: 'not_sent', email_confirmed: false } });
    const token = String(opened.body.access_token);
    expect((await silent.call('POST', '/api/accounts/confirmation', { token })).status).toBe(503);
  });
});
