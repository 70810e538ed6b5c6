import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { questionPath, testPassword } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';

const board = '/admin/queues';
const pause = `${board}/api/queues/ask-question/pause`;
const direct = await startPlatform({ worker: false });
const proxied = await startPlatform({ worker: false, env: { PROXY_HOPS: '1' } });
const configured = await startPlatform({ worker: false, env: { PUBLIC_URL: 'https://host.example/tally/' } });
const platforms = { direct, proxied, configured };
const operators = {
  direct: await direct.newPerson({ role: 'operator', tokens: 10_000 }),
  proxied: await proxied.newPerson({ role: 'operator', tokens: 10_000 }),
  configured: await configured.newPerson({ role: 'operator', tokens: 10_000 }),
};
const basic = (email: string) => ({
  authorization: `Basic ${Buffer.from(`${email}:${testPassword}`).toString('base64')}`,
});

/** Sends the request of the board's pause button, behind a proxy that sets its own Host. */
async function press(on: keyof typeof platforms, headers: Record<string, string>) {
  const answer = await platforms[on].call('PUT', pause, { headers: { ...basic(operators[on].email), ...headers } });
  return answer.status;
}
const browser = { origin: 'https://tally.example', 'sec-fetch-site': 'same-origin' };
const forwarded = { 'x-forwarded-host': 'tally.example', 'x-forwarded-proto': 'https' };

describe('Bull Board’s buttons', () => {
  it.each<[string, keyof typeof platforms, Record<string, string>]>([
    ['a same-origin browser with any Host', 'direct', browser],
    ['a browser without Sec-Fetch-Site, by X-Forwarded-Host', 'proxied', { origin: browser.origin, ...forwarded }],
    [
      'the same with the default port',
      'proxied',
      { origin: browser.origin, ...forwarded, 'x-forwarded-host': 'tally.example:443' },
    ],
    ['the same without X-Forwarded-Proto', 'proxied', { origin: browser.origin, 'x-forwarded-host': 'tally.example' }],
    ['a page of PUBLIC_URL', 'configured', { origin: 'https://host.example' }],
    ['a program without either header', 'direct', {}],
  ])('work for %s', async (_, on, headers) => {
    expect(await press(on, headers)).toBe(200);
  });

  it.each<[string, keyof typeof platforms, Record<string, string>]>([
    ['cross-site, even from our own origin', 'proxied', { ...browser, ...forwarded, 'sec-fetch-site': 'cross-site' }],
    ['same-site', 'proxied', { ...browser, ...forwarded, 'sec-fetch-site': 'same-site' }],
    ['with an invalid Sec-Fetch-Site', 'direct', { ...browser, 'sec-fetch-site': 'same-origin, same-origin' }],
    ['from another origin than X-Forwarded-Host', 'proxied', { origin: 'https://evil.example', ...forwarded }],
    ['over another scheme than X-Forwarded-Proto', 'proxied', { origin: 'http://tally.example', ...forwarded }],
    ['from another port', 'proxied', { origin: 'https://tally.example:8443', ...forwarded }],
    ['from a null origin', 'proxied', { origin: 'null', ...forwarded }],
    ['by X-Forwarded-Host without PROXY_HOPS', 'direct', { origin: browser.origin, ...forwarded }],
    ['from another origin than PUBLIC_URL', 'configured', { origin: 'http://host.example' }],
    [
      'with a malformed X-Forwarded-Host',
      'proxied',
      { origin: 'https://evil.example', 'x-forwarded-host': 'x@evil.example/' },
    ],
  ])('are refused %s', async (_, on, headers) => {
    expect(await press(on, headers)).toBe(403);
  });
});

const evilPrefixes = [
  '//evil.example',
  '/a//evil.example',
  'https://evil.example',
  '/\\evil.example',
  'tally',
  '/..',
  '/a/../../b',
  '/.',
  '/%2e%2e',
  '/"><script>alert(1)</script>',
  "/'-alert(1)-'",
  '/a b',
  '/a?b',
  '/a#b',
  '/a;b',
  '/a:b',
  '/é',
  `/${'a'.repeat(65)}`,
  '/a'.repeat(9),
  `/${'/'.repeat(8_000)}`,
  `/a, //evil.example`,
];

describe.each(['direct', 'proxied'] as const)('X-Forwarded-Prefix, %s', (on) => {
  const { call } = platforms[on];
  const { token } = operators[on];
  const shown = async (prefix: string | undefined) => {
    const headers: Record<string, string> = prefix === undefined ? {} : { 'x-forwarded-prefix': prefix };
    const root = await call('GET', '/', { headers });
    const docs = await call('GET', '/docs', { headers });
    const start = await call('GET', '/docs/start.js', { headers });
    const document = await call<{ servers: { url: string }[] }>('GET', '/openapi.json', { headers });
    const page = await call('GET', board, { token, headers });
    const job = await call('POST', questionPath, { token, headers, body: { question: 'Where?' } });
    return {
      root: root.headers.get('location'),
      docs: [...docs.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address),
      start: /url: '([^']*)'/.exec(start.text)?.[1],
      servers: document.body.servers,
      base: /<base href="([^"]*)"/.exec(page.text)?.[1],
      location: job.headers.get('location'),
      status: job.body.status_url,
      cache: [root, docs, start, document].map(({ headers }) => [headers.get('cache-control'), headers.get('vary')]),
    };
  };
  const expected = (prefix: string) => ({
    root: `${prefix}/docs`,
    docs: expect.arrayContaining([`${prefix}/docs/swagger-ui.css`, `${prefix}/docs/start.js`]),
    start: `${prefix}/openapi.json`,
    servers: [{ url: prefix || '/' }],
    base: `${prefix}${board}/`,
    location: expect.stringMatching(new RegExp(`^${prefix}/api/jobs/[0-9a-f-]{36}$`)),
    status: expect.stringMatching(new RegExp(`^${prefix}/api/jobs/[0-9a-f-]{36}$`)),
    cache: Array.from({ length: 4 }, () => ['private, no-cache', 'X-Forwarded-Prefix']),
  });

  it.each([
    [undefined, ''],
    ['', ''],
    ['/', ''],
    ['/tally', '/tally'],
    ['/tally/', '/tally'],
    ['/a-b/c.d_e~f', '/a-b/c.d_e~f'],
    ['/outer, /inner', '/outer/inner'],
    ['/tally, ', '/tally'],
  ])('%j: every URL in a response begins with %j', async (header, prefix) => {
    expect(await shown(header)).toEqual(expected(prefix));
  });

  it.each(evilPrefixes)('%j is ignored', async (header) => {
    const bytes = Buffer.from(header, 'utf8').toString('latin1');
    expect(await shown(bytes)).toEqual(expected(''));
  });
});

describe('PUBLIC_URL', () => {
  it('overrides X-Forwarded-Prefix', async () => {
    const { token } = operators.configured;
    for (const headers of [{}, { 'x-forwarded-prefix': '/other' }] as Record<string, string>[]) {
      const body = { question: 'Where?' };
      const job = await configured.call('POST', questionPath, { token, headers, body });
      expect(job.headers.get('location')).toBe(`/tally/api/jobs/${job.body.job_id}`);
      const waited = { ...headers, prefer: 'wait=1' };
      const again = await configured.call('POST', questionPath, { token, headers: waited, body });
      expect(again.body.status_url).toBe(`/tally/api/jobs/${again.body.job_id}`);
      expect((await configured.call('GET', '/', { headers })).headers.get('location')).toBe('/tally/docs');
    }
  });
});

describe('behind a proxy that strips a path and sets its own Host', () => {
  /** Maps /tally/ to the API's root, as nginx does by default. */
  async function startProxy(target: string): Promise<string> {
    const server = createServer((incoming, outgoing) => {
      const path = incoming.url ?? '';
      if (!path.startsWith('/tally/')) return outgoing.writeHead(418).end();
      const headers = { ...incoming.headers, host: 'upstream', 'x-forwarded-prefix': '/tally' };
      const upstream = request(new URL(path.slice('/tally'.length), target), { method: incoming.method, headers });
      upstream.on('response', (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      incoming.pipe(upstream);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/tally/`;
  }

  it('pages load their files, and URLs in responses resolve', async () => {
    const home = await startProxy(direct.url);
    const { email, token } = operators.direct;
    const docs = await fetch(home);
    expect([docs.url, docs.status]).toEqual([`${home}docs`, 200]);
    const queues = await fetch(`${home}admin/queues`, { headers: basic(email) });
    const pages = [
      { page: await docs.text(), base: docs.url },
      { page: await queues.text(), base: `${home}admin/queues/` },
    ];
    expect(pages[1]?.page).toContain('<base href="/tally/admin/queues/"');
    for (const { page, base } of pages) {
      const parts = [...page.matchAll(/(?:src|href)="((?:static|\/tally\/docs)\/[^"]+)"/g)].map(
        ([, part]) => part ?? '',
      );
      expect(parts.length).toBeGreaterThan(2);
      for (const part of parts) expect((await fetch(new URL(part, base), { headers: basic(email) })).status).toBe(200);
    }
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const submitted = await fetch(new URL(`.${questionPath}`, home), {
      method: 'POST',
      headers,
      body: '{"question":"Where?"}',
    });
    const job = await fetch(new URL(submitted.headers.get('location') ?? '', home), { headers });
    expect(await job.json()).toMatchObject({ job: { status: 'queued' } });
    const own = { ...basic(email), origin: new URL(home).origin, 'sec-fetch-site': 'same-origin' };
    expect((await fetch(`${home}${pause.slice(1)}`, { method: 'PUT', headers: own })).status).toBe(200);
  });
});
