/** The second factor of logins, and the scopes of operators' API keys. */
import { type Answer, type Person, testPassword } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { Secret, TOTP } from 'otpauth';
import { describe, expect, it } from 'vitest';
import { resetSecondFactor } from '../../apps/ops/src/commands/reset-second-factor.ts';

const platform = await startPlatform({ worker: false, env: { LIMIT_LOGINS: '5', PROXY_HOPS: '1' } });
const { api, call, newPerson } = platform;

let networks = 0;
const logIn = (email: string, code?: string, from = `198.51.100.${++networks}`): Promise<Answer> =>
  call('POST', '/api/accounts/login', {
    body: { email, password: testPassword, ...(code !== undefined && { code }) },
    headers: { 'x-forwarded-for': from },
  });
/** The TOTP code of the time step `steps` after now; each code is accepted once. */
const codeOf = (secret: string, steps = 0): string =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + steps * 30_000 });
const wrongCode = (secret: string): string => String((Number(codeOf(secret)) + 1) % 1_000_000).padStart(6, '0');

/** Enables it with the code of the previous time step, which leaves the current and the next one unused. */
async function turnOn({ token }: Person): Promise<{ secret: string; codes: string[] }> {
  const begun = await call<{ secret: string; uri: string }>('POST', '/api/accounts/second-factor', {
    token,
    body: { password: testPassword },
  });
  expect(begun.status).toBe(201);
  const { secret, uri } = begun.body;
  expect(uri).toMatch(/^otpauth:\/\/totp\/Tally/);
  const enabled = await call<{ recovery_codes: string[] }>('POST', '/api/accounts/second-factor/enable', {
    token,
    body: { code: codeOf(secret, -1) },
  });
  expect(enabled.status).toBe(200);
  return { secret, codes: enabled.body.recovery_codes };
}

describe('a second factor', () => {
  it('needs a new code per login and limits wrong ones', async () => {
    const person = await newPerson({ role: 'operator' });
    const { secret } = await turnOn(person);
    expect(await logIn(person.email)).toMatchObject({ status: 401, body: { error_code: 'second_factor_required' } });
    const code = codeOf(secret);
    expect((await logIn(person.email, code)).status).toBe(200);
    expect(await logIn(person.email, code)).toMatchObject({ status: 401, body: { error_code: 'unauthenticated' } });
    expect((await logIn(person.email, codeOf(secret, 1))).status).toBe(200);
    const from = '198.51.100.250';
    const guesses: number[] = [];
    for (let i = 0; i < 6; i++) guesses.push((await logIn(person.email, wrongCode(secret), from)).status);
    expect(guesses).toEqual([401, 401, 401, 401, 401, 429]);
  });

  it('limits wrong codes per account, over all IP addresses', async () => {
    const person = await newPerson();
    const { secret } = await turnOn(person);
    const guesses: number[] = [];
    for (let i = 0; i < 21; i++) guesses.push((await logIn(person.email, wrongCode(secret))).status);
    expect(guesses).toEqual([...Array(20).fill(401), 429]);
    expect((await logIn(person.email, codeOf(secret))).status).toBe(429);
  });

  it('is required to change the password or erase the account', async () => {
    const person = await newPerson();
    const { codes } = await turnOn(person);
    const act = (path: string, body: object) => call('POST', `/api/accounts/${path}`, { token: person.token, body });
    const change = { current_password: testPassword, new_password: testPassword };
    const asked = { status: 401, body: { error_code: 'second_factor_required' } };
    expect(await act('password', change)).toMatchObject(asked);
    expect(await act('erase', { password: testPassword })).toMatchObject(asked);
    expect((await act('password', { ...change, code: codes[0] })).status).toBe(200);
  });

  it('can be replaced by a recovery code, once', async () => {
    const person = await newPerson();
    const { codes } = await turnOn(person);
    expect(codes).toHaveLength(10);
    expect((await logIn(person.email, codes[0]?.toUpperCase())).status).toBe(200);
    expect((await logIn(person.email, codes[0])).status).toBe(401);
    expect((await logIn(person.email, codes[1])).status).toBe(200);
  });

  it('is disabled by password and code, or by the ops command', async () => {
    const [one, other] = [await newPerson(), await newPerson()];
    const { codes } = await turnOn(one);
    const off = (body: object) => call('POST', '/api/accounts/second-factor/disable', { token: one.token, body });
    expect((await off({ password: testPassword, code: '000000' })).status).toBe(401);
    expect((await off({ password: testPassword, code: codes[0] })).status).toBe(200);
    expect((await logIn(one.email)).status).toBe(200);
    await turnOn(other);
    await resetSecondFactor(api.services.db, other.email);
    expect((await logIn(other.email)).status).toBe(200);
    expect((await call('GET', '/api/accounts/profile', { token: other.token })).status).toBe(401);
  });

  it('follows the password after a space at the queue board', async () => {
    const person = await newPerson({ role: 'operator' });
    const { secret } = await turnOn(person);
    const open = async (password: string) => {
      const authorization = `Basic ${Buffer.from(`${person.email}:${password}`).toString('base64')}`;
      return (await call('GET', '/admin/queues', { headers: { authorization, 'x-forwarded-for': '198.51.100.251' } }))
        .status;
    };
    expect(await open(testPassword)).toBe(401);
    const given = `${testPassword} ${codeOf(secret)}`;
    expect(await open(given)).toBe(200);
    // Browsers repeat Basic credentials with every request, so the same code stays valid here.
    expect(await open(given)).toBe(200);
  });

  it('can be required of operators', async () => {
    const strict = await startPlatform({ worker: false, env: { REQUIRE_OPERATOR_SECOND_FACTOR: 'on' } });
    const operator = await strict.newPerson({ role: 'operator' });
    const read = () => strict.call('GET', '/admin/queues', { token: operator.token });
    expect(await read()).toMatchObject({ status: 401, body: { error_code: 'second_factor_required' } });
    await strict.api.services.db.pool.query('update accounts set totp_enabled_at = now() where id = $1', [
      operator.accountId,
    ]);
    expect((await read()).status).toBe(200);
  });
});

describe('an API key of an operator', () => {
  it('acts within its operator_scope only', async () => {
    const operator = await newPerson({ role: 'operator' });
    const tenant = await newPerson({ tokens: 100 });
    const make = async (operator_scope?: string) =>
      (
        await call<{ api_key: { key: string } }>('POST', '/api/accounts/api-keys', {
          token: operator.token,
          body: { name: 'x', ...(operator_scope !== undefined && { operator_scope }) },
        })
      ).body.api_key.key;
    const act = async (token: string) => [
      (await call('GET', '/admin/queues', { token })).status,
      (await call('POST', '/api/admin/accounts/suspend', { token, body: { email: tenant.email, reason: 'A test' } }))
        .status,
    ];
    expect(await act(await make())).toEqual([403, 403]);
    expect(await act(await make('read'))).toEqual([200, 403]);
    expect(await act(await make('write'))).toEqual([200, 200]);
  });
});

describe('an operator', () => {
  it('is not locked out by failed logins from another IP address', async () => {
    const { email } = await newPerson({ role: 'operator' });
    for (let i = 0; i < 11; i++)
      await call('POST', '/api/accounts/login', {
        body: { email, password: `guess ${i}` },
        headers: { 'x-forwarded-for': '198.51.100.252' },
      });
    expect((await logIn(email, undefined, '198.51.100.252')).status).toBe(429);
    expect((await logIn(email)).status).toBe(200);
  });
});
