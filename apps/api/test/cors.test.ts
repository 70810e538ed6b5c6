import { type CallOptions, questionPath } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readOperations } from '../../../test/security/api-document.ts';

const origin = 'https://app.example';
const open = await startPlatform({
  env: {
    CORS_ORIGINS: `${origin}, http://localhost:3000`,
    LIMIT_READS_PER_MINUTE: '5',
  },
});
const { call, newPerson } = open;
const operations = await readOperations(open);

const corsOf = (headers: Headers) =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-')));
const preflight = (path: string, headers: Record<string, string> = {}) =>
  call('OPTIONS', path, {
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
      ...headers,
    },
  });
const words = (list: string | undefined) => (list ?? '').toLowerCase().split(/, ?/);

describe('a preflight', () => {
  it('is answered for every documented route before login', async () => {
    for (const { method, path } of operations) {
      const answer = await preflight(path.replaceAll(/\{\w+\}/g, '1'), { 'access-control-request-method': method });
      expect([answer.status, answer.text]).toEqual([204, '']);
      const allowed = corsOf(answer.headers);
      expect(allowed['access-control-allow-origin']).toBe(origin);
      expect(words(allowed['access-control-allow-methods'])).toContain(method.toLowerCase());
      expect(words(allowed['access-control-allow-headers'])).toEqual(
        expect.arrayContaining([
          'authorization',
          'content-type',
          'idempotency-key',
          'prefer',
          'if-none-match',
          'last-event-id',
        ]),
      );
      expect(answer.headers.get('vary')).toContain('Origin');
    }
  });

  it.each([
    'https://evil.example',
    'https://app.example.evil.example',
    'https://app.example:8443',
    'http://app.example',
    'https://APP.example',
    'https://app.example/',
    'https://x.app.example',
    'null',
    'http://localhost',
    '*',
    '',
  ])('from %j allows nothing', async (other) => {
    const answer = await preflight(questionPath, { origin: other });
    expect(corsOf(answer.headers)).toEqual({});
    expect(answer.headers.get('vary')).toContain('Origin');
  });

  it('does not count against rate limits', async () => {
    const { token } = await newPerson({ tokens: 1_000 });
    for (let i = 0; i < 10; i++)
      expect((await preflight('/api/jobs', { authorization: `Bearer ${token}` })).status).toBe(204);
    expect((await call('GET', '/api/jobs', { token })).status).toBe(200);
  });
});

describe('a response to an allowed origin', () => {
  it('exposes its headers, without credentials mode', async () => {
    const { token } = await newPerson({ tokens: 10_000 });
    const ask = (headers = {}) =>
      call<{ job: { id: string } }>('POST', questionPath, {
        token,
        headers: { origin, ...headers },
        body: { question: 'Hello?' },
      });
    const { status, headers } = await ask();
    expect(status).toBe(202);
    const allowed = corsOf(headers);
    expect(Object.keys(allowed).sort()).toEqual(['access-control-allow-origin', 'access-control-expose-headers']);
    expect(allowed['access-control-allow-origin']).toBe(origin);
    expect(words(allowed['access-control-expose-headers'])).toEqual(
      expect.arrayContaining(['location', 'retry-after', 'etag', 'x-request-id', 'x-tokens-remaining', 'link']),
    );
    const { job } = (await ask({ prefer: 'wait=30' })).body;
    const local = { origin: 'http://localhost:3000' };
    const polled = await call('GET', `/api/jobs/${job.id}`, { token, headers: local });
    expect(polled.headers.get('access-control-allow-origin')).toBe(local.origin);
    const events = await call('GET', `/api/jobs/${job.id}/events`, { token, headers: { origin } });
    expect(events.headers.get('access-control-allow-origin')).toBe(origin);
    expect(events.headers.get('cache-control')).toBe('no-cache, no-transform');
    expect(events.text).toContain('completed');
  });

  it('has CORS headers for every error status', async () => {
    const { token } = await newPerson({ tokens: 1_000 });
    const poor = await newPerson();
    const ask = (options: CallOptions) => ['POST', questionPath, options] as const;
    const limited = await newPerson();
    for (let i = 0; i < 5; i++) await call('GET', '/api/jobs', { token: limited.token });
    for (const [status, [method, path, options]] of [
      [400, ask({ token, body: {} })],
      [400, ask({ token, raw: 'no JSON' })],
      [401, ask({ body: { question: 'x' } })],
      [402, ask({ token: poor.token, body: { question: 'x' } })],
      [403, ['POST', '/api/admin/grants', { token, body: {} }]],
      [404, ['GET', '/api/jobs/1', { token }]],
      [404, ['GET', '/api/nothing', { token }]],
      [405, ['PUT', '/api/jobs', { token, body: {} }]],
      [413, ask({ token, raw: 'x'.repeat(300_000) })],
      [429, ['GET', '/api/jobs', { token: limited.token }]],
    ] as const) {
      const answer = await call(method, path, { ...options, headers: { origin } });
      expect([path, answer.status]).toEqual([path, status]);
      expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
      expect(answer.headers.get('vary')).toContain('Origin');
      expect(answer.headers.get('x-request-id')).toBe(answer.body.request_id);
    }
  });

  it('has no CORS headers for other origins or none', async () => {
    const { token } = await newPerson({ tokens: 1_000 });
    for (const headers of [{ origin: 'https://evil.example' }, { origin: 'null' }, {}] as Record<string, string>[]) {
      const answer = await call('GET', '/api/accounts/profile', { token, headers });
      expect([answer.status, corsOf(answer.headers)]).toEqual([200, {}]);
      expect(answer.headers.get('vary')).toContain('Origin');
    }
  });
});

describe('CORS is not allowed', () => {
  it.each([
    '/webhooks/instagram',
    '/admin/queues',
    '/admin/queues/api/queues',
    '/docs',
    '/openapi.json',
    '/health',
    '/metrics',
    '/',
  ])('on %s', async (path) => {
    const { token } = await newPerson({ role: 'operator' });
    for (const answer of [
      await preflight(path),
      await preflight(path, { authorization: `Bearer ${token}` }),
      await call('GET', path, { token, headers: { origin } }),
      await call('POST', path, { token, headers: { origin }, body: {} }),
    ])
      expect(corsOf(answer.headers)).toEqual({});
  });

  it('without CORS_ORIGINS, where a preflight gets Allow', async () => {
    const withoutCors = await startPlatform({ worker: false }, onTestFinished);
    const headers = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    };
    const asked = await withoutCors.call('OPTIONS', questionPath, { headers });
    expect([asked.status, asked.headers.get('allow'), corsOf(asked.headers)]).toEqual([204, 'POST, OPTIONS', {}]);
    const { token } = await withoutCors.newPerson({ tokens: 1_000 });
    const answer = await withoutCors.call('GET', '/api/jobs', { token, headers: { origin } });
    expect([answer.headers.get('vary'), corsOf(answer.headers)]).toEqual([null, {}]);
  });

  it('for OPTIONS without preflight headers', async () => {
    const answer = await call('OPTIONS', questionPath);
    expect([answer.status, answer.headers.get('allow')]).toEqual([204, 'POST, OPTIONS']);
  });
});
