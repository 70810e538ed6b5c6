/** Every way in needs a login but the few that are named here, and no spelling of an address goes around it. */
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

/** What strangers may call of what the document describes. */
const openOperations = ['register', 'login', 'confirm', 'password/forgot', 'password/reset'].map(
  (name) => `POST /api/accounts/${name}`,
);
/** What they may see of the rest: nothing of any account. Webhooks and the queue board have logins of their own. */
const openPaths = ['/', '/health', '/ready', '/openapi.json', '/docs', '/docs/start.js', '/docs/:file'];
/** Pages of links: a button and a script, the same for everybody. */
const linkPages = ['confirm', 'reset', 'page.css', 'page.js'].map((name) => `/account/${name}`);
const otherLogins = [/^\/webhooks\/instagram$/, /^\/admin\/queues/, /^\/metrics$/];

const addressOf = ({ path }: Operation) => filled(path, Object.fromEntries(namesIn(path).map((name) => [name, anyId])));
const bodyOf = ({ body }: Operation) => (body === undefined ? {} : { body: sample(body) });

describe('the document', () => {
  it('says of every operation but these that it needs a login', () => {
    expect(operations.filter(({ needsLogin }) => !needsLogin).map(({ name }) => name)).toEqual(openOperations);
  });

  it('has every route that the server has, but for those named here', () => {
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
  it('is 401 without a login, whatever is sent', async () => {
    const options = [bodyOf(operation), { raw: 'no JSON' }, { headers: { 'content-type': 'text/html' } }];
    for (const sent of operation.method === 'GET' ? [{}] : options)
      for (const end of ['', '/']) {
        const answer = await call(operation.method, `${addressOf(operation)}${end}`, sent);
        expect(answer).toMatchObject({ status: 401, body: { success: false, error_code: 'unauthenticated' } });
      }
  });
});

describe.each(operations.filter(({ path }) => path.startsWith('/api/admin')))('$name', (operation) => {
  it('is 403 for a tenant and its API key, whatever is sent', async () => {
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

  it('are for who has the token, and for operators', async () => {
    const operator = await newPerson({ role: 'operator' });
    expect(await read()).toBe(401);
    expect(await read('Bearer token-for-metrics-in-test')).toBe(401);
    expect(await read(`Bearer ${tenant.token}`)).toBe(403);
    for (const token of [operator.token, metricsToken]) expect(await read(`Bearer ${token}`)).toBe(200);
  });
});

/** One request written by hand, since clients tidy addresses up; the answer as it comes. */
async function raw(line: string, headers: string[] = []): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const host = headers.some((header) => /^host:/i.test(header)) ? [] : ['host: localhost'];
  socket.write([line, ...host, 'connection: close', ...headers, '', ''].join('\r\n'));
  return text(socket);
}

describe('an address', () => {
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
  it.each(spellings)('%s is no way around the login, and none of it is a fault', async (address) => {
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
  ])('is what the request line says, whatever %s says', async (...headers) => {
    const answer = await raw('GET /api/jobs HTTP/1.1', headers);
    expect(answer).toMatch(/^HTTP\/1\.1 (400|401) /);
    expect(answer).not.toContain('"success":true');
  });
});

describe('a method', () => {
  it('is the one of the request, whatever its headers, its query or its body say', async () => {
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
    'that nobody serves, %s, does nothing',
    async (method) => {
      const answer = await raw(`${method} /api/jobs HTTP/1.1`, [`authorization: Bearer ${tenant.token}`]);
      expect(answer).toMatch(/^(HTTP\/1\.1 (400|404|405|501) |$)/);
      expect(answer).not.toContain(tenant.token);
    },
  );
});

describe('what opens one door', () => {
  it('says nothing at another: a webhook’s signature, a board’s password', async () => {
    const headers = {
      'x-hub-signature-256': `sha256=${'0'.repeat(64)}`,
      authorization: `Basic ${Buffer.from(`${tenant.email}:correct horse battery`).toString('base64')}`,
    };
    expect((await call('GET', '/api/jobs', { headers })).status).toBe(401);
  });

  it('is asked of every job; besides, the last 40 bits of its id are anybody’s guess', async () => {
    const ids = await Promise.all(Array.from({ length: 50 }, () => submit(tenant.token, 'Whose?')));
    const ends = ids.map((id) => Number.parseInt(id.slice(-10), 16)).sort((a, b) => a - b);
    const gaps = ends.slice(1).map((end, i) => end - (ends[i] ?? 0));
    // Counted on from one another they would be 1 apart; at random, 50 of 2^40 are never this close.
    expect(Math.min(...gaps)).toBeGreaterThan(1_000);
  });
});
