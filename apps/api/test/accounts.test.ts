import { testPassword } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, it } from 'vitest';

const { call, login, register, newPerson, config } = await startPlatform({ worker: false });
const profile = '/api/accounts/profile';
const person = await newPerson();

type ApiKeys = { api_keys: { id: string; name: string; hint: string; key?: string }[] };
type NewApiKey = { api_key: { id: string; name: string; hint: string; key: string } };

describe('registration and login', () => {
  it('opens an account and returns a valid token', async () => {
    const { status, body } = await call('POST', '/api/accounts/register', {
      body: { email: 'New@Example.com', password: testPassword },
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      success: true,
      access_token: expect.any(String),
      token_type: 'bearer',
      expires_in: expect.any(Number),
      email_confirmed: false,
      confirmation: 'sent',
    });
    const me = await call('GET', profile, { token: String(body.access_token) });
    expect(me.status).toBe(200);
    expect(Object.keys(me.body).sort()).toEqual(
      [
        'success',
        'id',
        'email',
        'email_confirmed',
        'role',
        'token_usage_remaining',
        'subscription_remaining',
        'created_at',
      ].sort(),
    );
    expect(me.body).toMatchObject({ email: 'new@example.com', role: 'tenant' });
  });

  it('refuses a taken e-mail address in any case', async () => {
    await newPerson({ email: 'twice@example.com' });
    const again = await call('POST', '/api/accounts/register', {
      body: { email: 'TWICE@example.com', password: testPassword },
    });
    expect(again).toMatchObject({ status: 409, body: { error_code: 'conflict' } });
  });

  it('opens one account for ten concurrent registrations', async () => {
    const body = { email: 'race@example.com', password: testPassword };
    const all = await Promise.all(Array.from({ length: 10 }, () => call('POST', '/api/accounts/register', { body })));
    // The others get 202: a claim on an unconfirmed address waits for its e-mail link.
    expect(all.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(202)]);
  });

  it('refuses invalid addresses and password lengths', async () => {
    for (const body of [
      { email: 'short@example.com', password: 'seven77' },
      { email: 'no address', password: testPassword },
      { email: 'long@example.com', password: 'x'.repeat(201) },
    ])
      expect((await call('POST', '/api/accounts/register', { body })).status).toBe(400);
  });

  it('accepts a password in every Unicode normal form', async () => {
    const typed = 'Schlüssel ﬁn';
    const forms = ['NFC', 'NFD', 'NFKC', 'NFKD'].map((form) => typed.normalize(form));
    for (const [i, form] of forms.entries()) {
      await register(`unicode${i}@example.com`, form);
      for (const other of forms) await login(`unicode${i}@example.com`, other);
      await expect(login(`unicode${i}@example.com`, 'Schlussel fin')).rejects.toThrow('unauthenticated');
    }
  });

  it('measures a password in its NFKC form', async () => {
    const send = (path: string, password: string) =>
      call('POST', `/api/accounts/${path}`, { body: { email: 'length@example.com', password } });
    // In NFKC, U+FDFA is 18 characters, and a letter with its combining accent is one instead of two.
    expect((await send('register', '\ufdfa'.repeat(12))).status).toBe(400);
    expect((await send('register', 'e\u0301'.repeat(7))).status).toBe(400);
    const longest = 'e\u0301'.repeat(200);
    expect((await send('register', longest)).status).toBe(201);
    expect((await send('login', longest)).status).toBe(200);
    expect((await send('login', 'x'.repeat(201))).status).toBe(400);
    expect((await send('login', '\ufdfa'.repeat(200))).status).toBe(401);
  });

  it('logs in with the address in any case', async () => {
    const { email } = await newPerson();
    expect((await call('GET', profile, { token: await login(email.toUpperCase()) })).body).toMatchObject({ email });
  });

  it('answers an unknown address like a wrong password', async () => {
    const { email } = await newPerson();
    const known = await call('POST', '/api/accounts/login', { body: { email, password: 'wrong' } });
    const unknown = await call('POST', '/api/accounts/login', {
      body: { email: 'nobody@example.com', password: 'wrong' },
    });
    expect(known.status).toBe(401);
    expect({ ...known.body, request_id: '' }).toEqual({ ...unknown.body, request_id: '' });
    expect(unknown.status).toBe(known.status);
  });
});

describe('POST /api/accounts/password', () => {
  it('revokes every older token and returns a new one', async () => {
    const { email, token } = await newPerson();
    const other = await login(email);
    const changed = await call('POST', '/api/accounts/password', {
      token,
      body: { current_password: testPassword, new_password: 'another password' },
    });
    expect(changed.status).toBe(200);
    for (const old of [token, other]) expect((await call('GET', profile, { token: old })).status).toBe(401);
    expect((await call('GET', profile, { token: String(changed.body.access_token) })).status).toBe(200);
    await expect(login(email)).rejects.toThrow('unauthenticated');
    await login(email, 'another password');
  });

  it('requires the current password', async () => {
    const { email, token } = await newPerson();
    const body = { current_password: 'a wrong guess', new_password: 'another password' };
    expect((await call('POST', '/api/accounts/password', { token, body })).status).toBe(401);
    expect((await call('GET', profile, { token })).status).toBe(200);
    await login(email);
  });
});

describe('API keys', () => {
  it('are shown once, authenticate, and can be revoked', async () => {
    const { token } = await newPerson();
    const made = await call<NewApiKey>('POST', '/api/accounts/api-keys', { token, body: { name: 'shop' } });
    expect(made.status).toBe(201);
    const { id, key, hint } = made.body.api_key;
    expect(key).toMatch(/^tally_[\w-]{40,}$/);
    const listed = await call<ApiKeys>('GET', '/api/accounts/api-keys', { token });
    expect(listed.body.api_keys).toEqual([
      { id, name: 'shop', hint, operator_scope: 'none', created_at: expect.any(String) },
    ]);
    expect(listed.text).not.toContain(key);
    expect((await call('DELETE', `/api/accounts/api-keys/${id}`, { token })).status).toBe(200);
    expect((await call('GET', profile, { token: key })).status).toBe(401);
    expect((await call<ApiKeys>('GET', '/api/accounts/api-keys', { token })).body.api_keys).toEqual([]);
  });

  it('are not created by a login that ends during the request', async () => {
    const { email, token } = await newPerson();
    const answers = await Promise.all([
      call('POST', '/api/accounts/logout-everywhere', { token, body: { end_api_keys: true } }),
      ...Array.from({ length: 20 }, () => call('POST', '/api/accounts/api-keys', { token, body: { name: 'late' } })),
    ]);
    expect(answers[0]?.status).toBe(200);
    const again = await login(email);
    const { body } = await call<ApiKeys>('GET', '/api/accounts/api-keys', { token: again });
    expect(body.api_keys).toEqual([]);
  });

  it('authenticate wherever a token does', async () => {
    const { token } = await newPerson({ tokens: 1_000 });
    const made = await call<NewApiKey>('POST', '/api/accounts/api-keys', { token, body: { name: 'all' } });
    const { key } = made.body.api_key;
    for (const path of ['/api/accounts/overview', '/api/billing/usage', '/api/jobs', '/api/knowledge'])
      expect((await call('GET', path, { token: key })).status).toBe(200);
    const question = { token: key, body: { question: 'How are you?' } };
    expect((await call('POST', '/api/ai/ask-question', question)).status).toBe(202);
  });

  it('of another account return 404', async () => {
    const mine = await newPerson();
    const theirs = await newPerson();
    const made = await call<NewApiKey>('POST', '/api/accounts/api-keys', { token: theirs.token, body: { name: 'x' } });
    const { id, key } = made.body.api_key;
    const removed = await call('DELETE', `/api/accounts/api-keys/${id}`, { token: mine.token });
    expect(removed).toMatchObject({ status: 404, body: { error_code: 'not_found' } });
    expect((await call('GET', profile, { token: key })).body).toMatchObject({ email: theirs.email });
  });

  it('are at most 50, also for 100 concurrent requests', async () => {
    const { token } = await newPerson();
    const make = () => call('POST', '/api/accounts/api-keys', { token, body: { name: 'one of many' } });
    const all = await Promise.all(Array.from({ length: 100 }, make));
    expect(all.filter(({ status }) => status === 201)).toHaveLength(50);
    expect(await make()).toMatchObject({ status: 409, body: { error_code: 'conflict' } });
    expect((await call<ApiKeys>('GET', '/api/accounts/api-keys', { token })).body.api_keys).toHaveLength(50);
  });

  it('and old logins cannot manage keys or export data', async () => {
    const { accountId, token } = await newPerson();
    const made = await call<NewApiKey>('POST', '/api/accounts/api-keys', { token, body: { name: 'found' } });
    const { id, key } = made.body.api_key;
    const old = await new SignJWT({ ver: 1 })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(accountId)
      .setIssuer('tally')
      .setAudience('tally-api')
      .setIssuedAt(Math.floor(Date.now() / 1_000) - 3_700)
      .setExpirationTime('1h')
      .sign(new TextEncoder().encode(config.jwtSecret));
    expect((await call('GET', profile, { token: old })).status).toBe(200);
    for (const bearer of [key, old]) {
      const tried = [
        await call('POST', '/api/accounts/api-keys', { token: bearer, body: { name: 'another' } }),
        await call('DELETE', `/api/accounts/api-keys/${id}`, { token: bearer }),
      ];
      expect(tried).toMatchObject(Array(2).fill({ status: 403, body: { error_code: 'login_required' } }));
    }
    for (const [method, path] of [
      ['GET', '/api/accounts/export'],
      ['POST', '/api/accounts/logout-everywhere'],
      ['POST', '/api/accounts/password'],
      ['POST', '/api/accounts/erase'],
    ] as const)
      expect(await call(method, path, { token: key, ...(method === 'POST' && { body: {} }) })).toMatchObject({
        status: 403,
        body: { error_code: 'login_required' },
      });
  });

  it('survive a password change unless end_api_keys is set', async () => {
    const { token } = await newPerson();
    const make = async (bearer: string) =>
      (await call<NewApiKey>('POST', '/api/accounts/api-keys', { token: bearer, body: { name: 'shop' } })).body.api_key
        .key;
    const keys = [await make(token), await make(token)];
    type Changed = { access_token: string; api_keys_kept: number; api_keys_ended: number };
    const change = (bearer: string, body: object) =>
      call<Changed>('POST', '/api/accounts/password', {
        token: bearer,
        body: { current_password: testPassword, new_password: testPassword, ...body },
      });
    const kept = await change(token, {});
    expect(kept.body).toMatchObject({ api_keys_kept: 2, api_keys_ended: 0 });
    expect((await call('GET', profile, { token: keys[0] as string })).status).toBe(200);
    const ended = await change(kept.body.access_token, { end_api_keys: true });
    expect(ended.body).toMatchObject({ api_keys_kept: 0, api_keys_ended: 2 });
    for (const key of keys) expect((await call('GET', profile, { token: key })).status).toBe(401);
    expect((await call('GET', profile, { token: ended.body.access_token })).status).toBe(200);
  });
});

describe('POST /api/accounts/logout-everywhere', () => {
  it('revokes every token, and API keys on request', async () => {
    const { email, token } = await newPerson();
    const made = await call<NewApiKey>('POST', '/api/accounts/api-keys', { token, body: { name: 'shop' } });
    const other = await login(email);
    const loggedOut = await call('POST', '/api/accounts/logout-everywhere', { token: other, body: {} });
    expect(loggedOut).toMatchObject({ status: 200, body: { api_keys_kept: 1 } });
    for (const bearer of [token, other]) expect((await call('GET', profile, { token: bearer })).status).toBe(401);
    expect((await call('GET', profile, { token: made.body.api_key.key })).status).toBe(200);
    const again = await login(email);
    await call('POST', '/api/accounts/logout-everywhere', { token: again, body: { end_api_keys: true } });
    expect((await call('GET', profile, { token: made.body.api_key.key })).status).toBe(401);
  });
});

describe('a bearer token', () => {
  type Forgery = { alg?: string; key?: string; audience?: string; issuer?: string; subject?: string; expires?: string };
  const forge = (of: Forgery = {}) =>
    new SignJWT({ ver: 1 })
      .setProtectedHeader({ alg: of.alg ?? 'HS256', typ: 'JWT' })
      .setSubject(of.subject ?? person.accountId)
      .setIssuer(of.issuer ?? 'tally')
      .setAudience(of.audience ?? 'tally-api')
      .setIssuedAt()
      .setExpirationTime(of.expires ?? '1h')
      .sign(new TextEncoder().encode(of.key ?? config.jwtSecret));

  const statusWith = async (token: string) => (await call('GET', profile, { token })).status;

  it('with the right secret, algorithm, issuer and audience is valid', async () => {
    expect(await statusWith(await forge())).toBe(200);
  });

  it.each<[string, Forgery]>([
    ['another algorithm', { alg: 'HS512' }],
    ['another key', { key: 'another secret that is long enough to be one' }],
    ['another audience', { audience: 'somebody-else' }],
    ['another issuer', { issuer: 'somebody-else' }],
    ['an expiry in the past', { expires: '-1s' }],
    ['an unknown account', { subject: '019a0000-0000-7000-8000-000000000000' }],
    ['a malformed subject', { subject: "'; drop table accounts" }],
  ])('with %s is refused', async (_, forgery) => {
    expect(await statusWith(await forge(forgery))).toBe(401);
  });

  it('without a signature is refused', async () => {
    const unsigned = new UnsecuredJWT({ ver: 1 })
      .setSubject(person.accountId)
      .setIssuer('tally')
      .setAudience('tally-api')
      .setExpirationTime('1h')
      .encode();
    expect(await statusWith(unsigned)).toBe(401);
  });

  it('with a changed payload or signature is refused', async () => {
    expect(await statusWith(person.token)).toBe(200);
    const [header, , signature] = person.token.split('.');
    const claims = { sub: (await newPerson()).accountId, ver: 1, iss: 'tally', aud: 'tally-api', exp: 9_999_999_999 };
    const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
    expect(await statusWith(`${header}.${payload}.${signature}`)).toBe(401);
    expect(await statusWith(`${person.token.slice(0, -4)}AAAA`)).toBe(401);
  });

  it('without an expiry or a version is refused', async () => {
    const bare = new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).setSubject(person.accountId);
    const signed = bare.setIssuer('tally').setAudience('tally-api');
    expect(await statusWith(await signed.sign(new TextEncoder().encode(config.jwtSecret)))).toBe(401);
  });

  it('that is missing or malformed gets WWW-Authenticate', async () => {
    for (const authorization of ['', 'Bearer', 'Bearer x y', 'Basic eDp5', 'bearer tally_unknown']) {
      const { status, headers } = await call('GET', profile, { headers: { authorization } });
      expect(status).toBe(401);
      expect(headers.get('www-authenticate')).toBe('Bearer');
    }
  });
});

describe('a new account', () => {
  it('without SIGNUP_PLAN has no plan and gets 402', async () => {
    const token = await register('no-plan@example.com');
    const refused = await call('POST', '/api/ai/ask-question', { token, body: { question: 'Anything?' } });
    expect(refused).toMatchObject({ status: 402, body: { error_code: 'no_subscription' } });
  });
});
