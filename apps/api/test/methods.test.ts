import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';
import { filled, namesIn, readOperations } from '../../../test/security/api-document.ts';

const platform = await startPlatform({ worker: false });
const { call, newPerson, submit } = platform;
const operations = await readOperations(platform);
const anyId = '0198a000-0000-7000-8000-000000000000';

/** Every path of the OpenAPI document, with its methods. */
const addresses = [...Map.groupBy(operations, ({ path }) => path)].map(([path, ofPath]) => ({
  path,
  address: filled(path, Object.fromEntries(namesIn(path).map((name) => [name, anyId]))),
  methods: ofPath.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])),
}));
const others = [
  { address: '/', methods: ['GET', 'HEAD'] },
  { address: '/health', methods: ['GET', 'HEAD'] },
  { address: '/ready', methods: ['GET', 'HEAD'] },
  { address: '/metrics', methods: ['GET', 'HEAD'] },
  { address: '/docs', methods: ['GET', 'HEAD'] },
  { address: '/openapi.json', methods: ['GET', 'HEAD'] },
  { address: '/webhooks/instagram', methods: ['GET', 'HEAD', 'POST'] },
];
const allowedBy = (headers: Headers) => headers.get('allow')?.split(', ').sort();

describe.each([...addresses, ...others])('$address', ({ address, methods }) => {
  it('refuses other methods with 405 and Allow before login', async () => {
    const wrong = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((method) => !methods.includes(method));
    for (const method of wrong)
      for (const end of ['', '/'])
        for (const options of [{}, { raw: 'no JSON' }].slice(0, method === 'GET' ? 1 : 2)) {
          const answer = await call(method, `${address}${address === '/' ? '' : end}`, options);
          expect({ method, status: answer.status, body: answer.body }).toEqual({
            method,
            status: 405,
            body: {
              success: false,
              error: expect.stringContaining(method),
              error_code: 'method_not_allowed',
              request_id: answer.headers.get('x-request-id'),
            },
          });
          expect(allowedBy(answer.headers)).toEqual([...methods, 'OPTIONS'].sort());
        }
  });

  it('answers OPTIONS with 204 and Allow, without CORS headers', async () => {
    const answer = await call('OPTIONS', address, { headers: { origin: 'https://app.example' } });
    expect([answer.status, answer.text, allowedBy(answer.headers)]).toEqual([204, '', [...methods, 'OPTIONS'].sort()]);
    expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });
});

describe('an unsupported method', () => {
  it('does not reveal which ids exist', async () => {
    const { token } = await newPerson({ tokens: 1_000 });
    const mine = await submit(token, 'Whose?');
    const answers = await Promise.all(
      [mine, anyId, 'no-id'].flatMap((id) => [
        call('PUT', `/api/jobs/${id}`, { body: {} }),
        call('OPTIONS', `/api/jobs/${id}`),
        call('PUT', `/api/jobs/${id}`, { token, body: {} }),
      ]),
    );
    const shown = answers.map(({ status, body, headers }) => [status, body.error, headers.get('allow')].join());
    expect(new Set(shown).size).toBe(2);
  });

  it('does not count against rate limits', async () => {
    const limited = await startPlatform({ worker: false, env: { LIMIT_READS_PER_MINUTE: '2' } });
    const { token } = await limited.newPerson({ tokens: 1_000 });
    for (let i = 0; i < 5; i++) expect((await limited.call('PUT', '/api/jobs', { token, body: {} })).status).toBe(405);
    expect((await limited.call('GET', '/api/jobs', { token })).status).toBe(200);
  });

  it('is 401 on Bull Board without a login', async () => {
    for (const method of ['OPTIONS', 'POST', 'DELETE'])
      for (const path of ['/admin/queues', '/admin/queues/api/queues']) {
        const answer = await call(method, path);
        expect([answer.status, answer.headers.get('allow')]).toEqual([401, null]);
      }
  });

  it.each(['/nothing', '/api/jobs/1/nothing', '/docs/a/b', '/webhooks/tiktok'])(
    'is 404 at an unknown path: %s',
    async (path) => {
      const { token } = await newPerson();
      for (const method of ['GET', 'PUT', 'OPTIONS']) {
        const answer = await call(method, path, { token, ...(method === 'PUT' && { body: {} }) });
        expect([answer.status, answer.body.error_code]).toEqual([404, 'not_found']);
      }
    },
  );
});

describe('HEAD', () => {
  it.each(addresses.filter(({ methods, path }) => methods.includes('GET') && namesIn(path).length === 0))(
    '$address has the status of GET and no body',
    async ({ address }) => {
      const { token } = await newPerson({ tokens: 1_000 });
      const [got, head] = [await call('GET', address, { token }), await call('HEAD', address, { token })];
      expect([head.status, head.text, head.headers.get('content-type')]).toEqual([
        got.status,
        '',
        got.headers.get('content-type'),
      ]);
    },
  );
});
