import { newId } from '@tally/core';
import { insertAccount, startPeriod } from '@tally/db';
import { type Answer, type CallOptions, questionPath } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';

const { api, call, newPerson, submit, url } = await startPlatform({ worker: false });
const person = await newPerson({ tokens: 10_000 });
const operator = await newPerson({ role: 'operator' });
const { token } = person;

const ask = (options: CallOptions) => call('POST', questionPath, { token, ...options });
const uuid = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);

/** Compares the whole error envelope. */
function expectError(answer: Answer, status: number, code: string, more: Record<string, unknown> = {}) {
  expect({ status: answer.status, body: answer.body }).toEqual({
    status,
    body: { success: false, error: expect.any(String), error_code: code, request_id: uuid, ...more },
  });
  expect(answer.headers.get('x-request-id')).toBe(answer.body.request_id);
}

const details = expect.arrayContaining([{ path: expect.any(String), message: expect.any(String) }]);

describe('a malformed body is 400', () => {
  it.each<[string, CallOptions]>([
    ['not JSON', { raw: '{"question": ' }],
    ['empty', { raw: '' }],
    ['missing', {}],
    ['with another content type', { raw: '{"question":"x"}', headers: { 'content-type': 'text/plain' } }],
    ['a form', { raw: 'question=x', headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
    ['with a truncated content type', { body: {}, headers: { 'content-type': 'application/json;' } }],
    ['with a content type like JSON', { body: {}, headers: { 'content-type': 'application/jsonx' } }],
    ['with a NUL', { raw: '{"question":"a\\u0000b"}' }],
    ['with half a surrogate pair', { raw: '{"question":"a\\ud800b"}' }],
    ['with a NUL in a name', { raw: '{"question":"x","\\u0000":1}' }],
    ['nested too deeply', { raw: `{"question":"x","more":${'['.repeat(40)}${']'.repeat(40)}}` }],
    ['nested 100,000 deep', { raw: '['.repeat(100_000) + ']'.repeat(100_000) }],
    ['compressed', { raw: Uint8Array.of(0x1f, 0x8b, 8, 0), headers: { 'content-encoding': 'gzip' } }],
  ])('%s', async (_, options) => expectError(await ask(options), 400, 'invalid_input'));
});

describe('a body of the wrong shape is 400 with the field', () => {
  it.each<[string, unknown]>([
    ['null', null],
    ['an array', []],
    ['a string', 'question'],
    ['a number', 7],
    ['an object without the field', {}],
    ['a number in the place of text', { question: 7 }],
    ['an array in the place of text', { question: ['x'] }],
    ['an object in the place of text', { question: { toString: 'x' } }],
    ['null in the place of text', { question: null }],
    ['nothing but blanks', { question: ' \n\t ' }],
    ['8,001 characters', { question: 'x'.repeat(8_001) }],
  ])('%s', async (_, body) => expectError(await ask({ body }), 400, 'invalid_input', { details }));

  it('names the field', async () => {
    const { body } = await ask({ body: { question: 7 } });
    expect(body.details).toEqual([{ path: 'question', message: expect.any(String) }]);
  });

  it('__proto__ does not provide a missing field', async () => {
    expectError(await ask({ raw: '{"__proto__":{"question":"x"}}' }), 400, 'invalid_input', { details });
    const added = await ask({ raw: '{"question":"x","__proto__":{"polluted":true},"constructor":1}' });
    expectError(added, 400, 'invalid_input', { details });
    expect(added.body.details).toMatchObject([{ path: '__proto__' }, { path: 'constructor' }]);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it('8,000 characters and common content types are accepted', async () => {
    expect((await ask({ body: { question: 'x'.repeat(8_000) } })).status).toBe(202);
    for (const type of ['application/json; charset=utf-8', 'Application/JSON', 'application/vnd.api+json'])
      expect((await ask({ body: { question: 'x' }, headers: { 'content-type': type } })).status).toBe(202);
  });

  it.each([
    '/api/jobs?limit=0',
    '/api/jobs?limit=101',
    '/api/jobs?limit=x',
    '/api/jobs?status=lost',
    '/api/jobs?cursor=x',
    '/api/knowledge?cursor=%00',
    '/api/billing/usage?days=0',
    '/api/billing/usage?days=1e9',
  ])('%s', async (path) => expectError(await call('GET', path, { token }), 400, 'invalid_input', { details }));

  it('an idempotency key of 201 characters, or empty', async () => {
    for (const key of ['x'.repeat(201), ''])
      expectError(await ask({ body: { question: 'x' }, headers: { 'idempotency-key': key } }), 400, 'invalid_input', {
        details,
      });
  });
});

describe('an unknown resource is 404', () => {
  it.each([
    ['GET', '/nothing'],
    ['GET', '/api/nothing'],
    ['GET', '/docs/nothing.js'],
    ['GET', '/docs/..%2Fpackage.json'],
    ['OPTIONS', '/api/nothing'],
    ['GET', '/api/jobs/%E0%A4%A'],
    ['GET', '/api/jobs/..%2f..%2fhealth'],
    ['DELETE', '/api/knowledge/toString'],
  ])('%s %s', async (method, path) => {
    expectError(await call(method, path, { token }), 404, 'not_found');
  });

  it('another account’s resources, unknown ids, malformed ids', async () => {
    const other = await newPerson({ tokens: 1_000 });
    const jobId = await submit(other.token, 'Whose job is this?');
    const entry = { title: 'Theirs', text: 'Their text.' };
    const made = await call<{ knowledge: { id: string } }>('POST', '/api/knowledge', {
      token: other.token,
      body: entry,
    });
    const knowledgePath = `/api/knowledge/${made.body.knowledge.id}`;
    for (const path of [`/api/jobs/${jobId}`, `/api/jobs/${newId()}`, '/api/jobs/1', `/api/jobs/${jobId}'`])
      expectError(await call('GET', path, { token }), 404, 'not_found');
    for (const path of [knowledgePath, `/api/knowledge/${newId()}`, '/api/knowledge/1', '/api/accounts/api-keys/1'])
      expectError(await call('DELETE', path, { token }), 404, 'not_found');
    expect((await call('GET', `/api/jobs/${jobId}`, { token: other.token })).status).toBe(200);
    expect((await call('DELETE', knowledgePath, { token: other.token })).status).toBe(200);
  });

  it('a tenant’s job, also for operators', async () => {
    const jobId = await submit(token, 'Is this private?');
    expectError(await call('GET', `/api/jobs/${jobId}`, { token: operator.token }), 404, 'not_found');
  });
});

describe('a request without a login', () => {
  it.each([
    ['GET', '/api/jobs'],
    ['GET', '/api/nothing'],
    ['OPTIONS', '/api/nothing'],
    ['HEAD', '/api/jobs'],
    ['POST', '/api/admin/grants'],
    ['POST', questionPath],
  ])('gets 401 for %s %s before any other check', async (method, path) => {
    const answer = await call(method, path, method === 'POST' ? { raw: 'no JSON' } : {});
    if (method === 'HEAD') expect(answer.status).toBe(401);
    else expectError(answer, 401, 'unauthenticated');
  });
});

describe('a body over 256 KB is 413', () => {
  const large = JSON.stringify({ question: 'x'.repeat(300_000) });
  const chunks = (text: string) =>
    ReadableStream.from([text.slice(0, 1_000), text.slice(1_000)].map((part) => Buffer.from(part)));

  it('with Content-Length, and chunked without', async () => {
    expectError(await ask({ raw: large }), 413, 'payload_too_large');
    expectError(await ask({ raw: chunks(large) }), 413, 'payload_too_large');
    expect((await ask({ raw: chunks('{"question":"In chunks?"}'.padEnd(2_000)) })).status).toBe(202);
  });

  it('also on routes without a login', async () => {
    for (const path of ['/api/accounts/login', '/api/accounts/register'])
      expectError(await call('POST', path, { raw: large }), 413, 'payload_too_large');
  });

  it('and the client’s next request succeeds', async () => {
    const huge = 'x'.repeat(8_000_000);
    for (const raw of [() => huge, () => chunks(huge)]) {
      expectError(await ask({ raw: raw() }), 413, 'payload_too_large');
      expectError(await call('POST', questionPath, { raw: raw() }), 401, 'unauthenticated');
    }
    // The server drains a refused body for half a second and then closes the connection, which may break the next
    // request: clients retry on another connection.
    const unread = [large, huge].flatMap((text) => [() => text, () => chunks(text)]);
    const nexts = unread.map(async (raw) => {
      await ask({ raw: raw() });
      const next = () => ask({ body: { question: 'Next?' } });
      return next().catch(next);
    });
    for (const next of await Promise.all(nexts)) expect(next.status).toBe(202);
  });
});

describe('an account that may not use AI gets 402', () => {
  type Refused = { status?: 'active' | 'inactive'; tokens?: number; endsInDays?: number };
  const accountWith = async (input?: Refused) => {
    const { accountId, token } = await newPerson();
    if (input === undefined) return token;
    const endsAt = new Date(Date.now() + (input.endsInDays ?? 30) * 86_400_000);
    await startPeriod(api.services.db, {
      accountId,
      planId: 'starter',
      tokens: input.tokens ?? 5_000,
      status: input.status ?? 'active',
      renews: false,
      startsAt: new Date(endsAt.getTime() - 30 * 86_400_000),
      endsAt,
      grantedBy: null,
    });
    return token;
  };

  it.each<[string, Refused | undefined, number]>([
    ['no_subscription', undefined, 0],
    ['subscription_expired', { endsInDays: -1 }, 5_000],
    ['subscription_inactive', { status: 'inactive' }, 5_000],
    ['no_tokens_remaining', { tokens: 59 }, 59],
  ])('%s with the three token counts', async (code, subscription, original) => {
    const refused = await accountWith(subscription);
    for (const path of [questionPath, `${questionPath}/`])
      for (const options of [{}, { 'idempotency-key': 'refused' }]) {
        const answer = await call('POST', path, { token: refused, body: { question: 'May I?' }, headers: options });
        const numbers = { tokens_remaining: original, original_tokens: original, consumed_tokens: 0 };
        expectError(answer, 402, code, numbers);
        expect(Object.keys(answer.body)).toHaveLength(7);
      }
  });
});

describe('every response', () => {
  it('has a request id and security headers, also for errors', async () => {
    const answers = [
      await call('GET', '/health'),
      await call('GET', '/nothing'),
      await call('GET', '/api/jobs'),
      await call('GET', '/api/jobs', { token }),
      await ask({ body: {} }),
    ];
    for (const { headers } of answers) {
      expect(headers.get('x-request-id')).toEqual(uuid);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-frame-options')).toBe('SAMEORIGIN');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('x-powered-by')).toBeNull();
    }
    expect(new Set(answers.map(({ headers }) => headers.get('x-request-id'))).size).toBe(answers.length);
  });

  it('is the same with a trailing slash', async () => {
    for (const path of ['/api/jobs', '/api/accounts/overview', '/api/billing/plans', '/health', '/openapi.json']) {
      const [plain, slashed] = [await call('GET', path, { token }), await call('GET', `${path}/`, { token })];
      expect(slashed.status).toBe(200);
      expect(slashed.body).toEqual(plain.body);
    }
  });

  it('to HEAD equals that to GET, without a body', async () => {
    const answer = await call('HEAD', '/api/jobs', { token });
    expect(answer).toMatchObject({ status: 200, text: '' });
  });

  it('to an internal error is fixed text with a request id', async () => {
    // A password hash that argon2 can't parse, as an internal fault that no client can cause.
    await insertAccount(api.services.db, {
      email: 'broken@example.com',
      passwordHash: 'not a hash',
      role: 'tenant',
      isConfirmed: true,
    });
    const broken = await call('POST', '/api/accounts/login', {
      body: { email: 'broken@example.com', password: 'whatever' },
    });
    expectError(broken, 500, 'internal');
    expect(broken.body.error).toBe('Internal error');
  });

  it('comes from the URL that the process reports', async () => {
    expect(await (await fetch(`${url}/health`)).json()).toEqual({ success: true, status: 'ok' });
  });
});
