/** Every route requires authentication except a fixed list, whatever the spelling of the URL. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { metricsToken } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';
import { filled, namesIn, type Operation, readOperations, sample } from './api-document.ts';

const platform = await startPlatform({ worker: false });
const { api, call, newPerson, submit, url } = platform;
const operations = await readOperations(platform);
const tenant = await newPerson({ tokens: 5_000 });
const anyId = '0198a000-0000-7000-8000-000000000000';

/** Documented operations that need no authentication. */
const openOperations = ['register', 'login', 'confirm', 'password/forgot', 'password/reset'].map(
  (name) => `POST /api/accounts/${name}`,
);
/** Undocumented paths that need no authentication and show no account's data. */
const openPaths = ['/', '/health', '/ready', '/openapi.json', '/docs', '/docs/start.js', '/docs/:file'];
/** Static pages that links in e-mails open. */
const linkPages = ['confirm', 'reset', 'page.css', 'page.js'].map((name) => `/account/${name}`);
/** Webhooks, the queue board and metrics have their own authentication. */
const otherLogins = [/^\/webhooks\/instagram$/, /^\/admin\/queues/, /^\/metrics$/];

const addressOf = ({ path }: Operation) => filled(path, Object.fromEntries(namesIn(path).map((name) => [name, anyId])));
const bodyOf = ({ body }: Operation) => (body === undefined ? {} : { body: sample(body) });

describe('the document', () => {
  it('requires authentication for all but the listed operations', () => {
    expect(operations.filter(({ needsLogin }) => !needsLogin).map(({ name }) => name)).toEqual(openOperations);
  });

  it('has every route of the server but the listed ones', () => {
    const documented = new Set(operations.map(({ name }) => name.replaceAll(/\{(\w+)\}/g, ':$1')));
    const undocumented = api.app.routes
      .filter(({ method, path }) => method !== 'ALL' && !documented.has(`${method} ${path}`))
      .filter(
        ({ path }) => ![...openPaths, ...linkPages].includes(path) && !otherLogins.some((other) => other.test(path)),
      );
    expect(undocumented.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  });
});

describe.each(operations.filter(({ name }) => !openOperations.includes(name)))('$name', (operation) => {
  it('is 401 without authentication, with any body', async () => {
    const options = [bodyOf(operation), { raw: 'no JSON' }, { headers: { 'content-type': 'text/html' } }];
    for (const sent of operation.method === 'GET' ? [{}] : options)
      for (const end of ['', '/']) {
        const answer = await call(operation.method, `${addressOf(operation)}${end}`, sent);
        expect(answer).toMatchObject({ status: 401, body: { success: false, error_code: 'unauthenticated' } });
      }
  });
});

describe.each(operations.filter(({ path }) => path.startsWith('/api/admin')))('$name', (operation) => {
  it('is 403 for a tenant and its API key, with any body', async () => {
    const key = { token: tenant.token, body: { name: 'x' } };
    const made = await call<{ api_key: { key: string } }>('POST', '/api/accounts/api-keys', key);
    for (const token of [tenant.token, made.body.api_key.key])
      for (const sent of [bodyOf(operation), operation.method === 'GET' ? {} : { raw: 'no JSON' }]) {
        const answer = await call(operation.method, addressOf(operation), { token, ...sent });
        expect(answer).toMatchObject({ status: 403, body: { success: false, error_code: 'forbidden' } });
      }
  });
});

describe('metrics', () => {
  const read = async (authorization?: string) =>
    (await fetch(`${url}/metrics`, { headers: authorization === undefined ? {} : { authorization } })).status;

  it('need the metrics token or an operator', async () => {
    const operator = await newPerson({ role: 'operator' });
    expect(await read()).toBe(401);
    expect(await read('Bearer token-for-metrics-in-test')).toBe(401);
    expect(await read(`Bearer ${tenant.token}`)).toBe(403);
    for (const token of [operator.token, metricsToken]) expect(await read(`Bearer ${token}`)).toBe(200);
  });
});

/** Sends a raw request, since HTTP clients normalize URLs; returns the raw answer. */
async function raw(line: string, headers: string[] = []): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const host = headers.some((header) => /^host:/i.test(header)) ? [] : ['host: localhost'];
  socket.write([line, ...host, 'connection: close', ...headers, '', ''].join('\r\n'));
  return text(socket);
}

describe('a URL', () => {
  const spellings = [
    '//api/jobs',
    '/api//jobs',
    '/./api/jobs',
    '/health/../api/jobs',
    '/health/%2e%2e/api/jobs',
    '/health/..%2fapi/jobs',
    '/%2e%2e/api/jobs',
    '/%61pi/jobs',
    '/api/%6aobs',
    '/api%2fjobs',
    '/api/jobs%2f',
    '/api/jobs%00',
    '/api/jobs%20',
    '/api/jobs;a=b',
    '/api/jobs/.',
    '/API/JOBS',
    '\\api\\jobs',
    '/api\\jobs',
    '/api/jobs#/health',
    '/api/jobs?/health',
    '/api/accounts/login/../../jobs',
    '/api/accounts/register/..%2f..%2fjobs',
    '/docs/../api/jobs',
    '/docs/..%2f..%2fapi%2fjobs',
    '/webhooks/instagram/../../api/jobs',
    'http://127.0.0.1/api/jobs',
    'http://evil.example/api/jobs',
    'http://user:password@127.0.0.1/api/jobs',
    '/api/jobs/%E0%A4%A',
    '/api/jobs/%ff',
  ];
  it.each(spellings)('%s doesn’t bypass authentication', async (address) => {
    const answer = await raw(`GET ${address} HTTP/1.1`);
    expect(answer).toMatch(/^HTTP\/1\.1 (400|401|404) /);
    expect(answer).not.toContain('"success":true');
    expect(answer).not.toMatch(/node_modules|node:internal|\bat .*:\d+:\d+/);
  });

  it.each([
    ['host: 127.0.0.1/health?'],
    ['host: 127.0.0.1/health#'],
    ['host: a@b'],
    ['host: [::1'],
    ['host:'],
    ['host: x', 'host: y'],
    ['x-original-url: /health'],
    ['x-rewrite-url: /health'],
    ['x-forwarded-host: 127.0.0.1', 'x-forwarded-prefix: /health'],
    ['transfer-encoding: chunked', 'content-length: 3'],
    ['content-length: -1'],
    ['content-length: 1', 'content-length: 2'],
  ])('comes from the request line, not from %s', async (...headers) => {
    const answer = await raw('GET /api/jobs HTTP/1.1', headers);
    expect(answer).toMatch(/^HTTP\/1\.1 (400|401) /);
    expect(answer).not.toContain('"success":true');
  });
});

describe('a method', () => {
  it('can’t be overridden by headers, query or body', async () => {
    const { token } = tenant;
    const made = await call<{ knowledge: { id: string } }>('POST', '/api/knowledge', {
      token,
      body: { title: 'Kept', text: 'It stays.' },
    });
    const path = `/api/knowledge/${made.body.knowledge.id}`;
    for (const name of ['x-http-method-override', 'x-http-method', 'x-method-override', '_method'])
      for (const method of ['POST', 'GET', 'PUT', 'PATCH']) {
        const body = method === 'GET' ? {} : { body: { _method: 'DELETE' } };
        const answer = await call(method, `${path}?_method=DELETE`, { token, headers: { [name]: 'DELETE' }, ...body });
        expect(answer.status).toBe(405);
      }
    expect((await call('DELETE', path, { token })).status).toBe(200);
  });

  it.each(['TRACE', 'CONNECT', 'PROPFIND', 'PURGE', 'get', 'GETS'])(
    '%s is not supported and does nothing',
    async (method) => {
      const answer = await raw(`${method} /api/jobs HTTP/1.1`, [`authorization: Bearer ${tenant.token}`]);
      expect(answer).toMatch(/^(HTTP\/1\.1 (400|404|405|501) |$)/);
      expect(answer).not.toContain(tenant.token);
    },
  );
});

describe('credentials', () => {
  it('of webhooks and the queue board don’t open the API', async () => {
    const headers = {
      'x-hub-signature-256': `sha256=${'0'.repeat(64)}`,
      authorization: `Basic ${Buffer.from(`${tenant.email}:correct horse battery`).toString('base64')}`,
    };
    expect((await call('GET', '/api/jobs', { headers })).status).toBe(401);
  });
});

describe('a job id', () => {
  it('ends in 40 random bits', async () => {
    const ids = await Promise.all(Array.from({ length: 50 }, () => submit(tenant.token, 'Whose?')));
    const ends = ids.map((id) => Number.parseInt(id.slice(-10), 16)).sort((a, b) => a - b);
    const gaps = ends.slice(1).map((end, i) => end - (ends[i] ?? 0));
    // Consecutive ids would differ by 1; among 50 random values of 40 bits no two are this close.
    expect(Math.min(...gaps)).toBeGreaterThan(1_000);
  });
});
