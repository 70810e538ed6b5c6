/** Malformed or extreme bodies, content types, headers and URLs. */
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { questionPath } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it } from 'vitest';
import { expectSound } from './sound.ts';

// Compressed before the platform starts: it takes longer than the idle timeout of its connections.
const spaces = Buffer.alloc(30_000_000, ' ');
const bombs: Record<string, Buffer> = {
  gzip: gzipSync(spaces),
  deflate: deflateSync(spaces),
  br: brotliCompressSync(spaces, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
  zstd: zstdCompressSync(spaces),
};
const { api, call, newPerson } = await startPlatform({ worker: false, env: { LIMIT_SUBMISSIONS_PER_MINUTE: '0' } });
const { token, accountId } = await newPerson({ tokens: 100_000 });
const ask = (raw: string | Uint8Array, headers: Record<string, string> = {}) =>
  call('POST', questionPath, { token, raw, headers });
const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

describe('a body', () => {
  const deep = (open: string, close: string) =>
    `{"question":"x","more":${open.repeat(10_000)}1${close.repeat(10_000)}}`;
  it.each<[string, string | Uint8Array]>([
    ['of arrays 10,000 deep', deep('[', ']')],
    ['of objects 10,000 deep', deep('{"a":', '}')],
    ['of arrays that never close', '['.repeat(200_000)],
    ['with invalid UTF-8 in a text', bytes('{"question":"a', [0xff, 0xfe], '","x":"\\u0000"}')],
    ['with a raw NUL byte', bytes('{"question":"a', [0], 'b"}')],
    ['with a lone low surrogate', '{"question":"\\udc00"}'],
    ['with a reversed surrogate pair', '{"question":"\\udc00\\ud800"}'],
    ['in UTF-16', Buffer.from('\ufeff{"question":"x"}', 'utf16le')],
    ['with a number that overflows', '{"question":1e999}'],
    ['with a comment', '{"question":"x"/**/}'],
    ['with single quotes', "{'question':'x'}"],
    ['with a trailing comma', '{"question":"x",}'],
    ['of two documents', '{"question":"x"}{"question":"y"}'],
    ['of JSON lines', '{"question":"x"}\n{"question":"y"}'],
    ['with NaN', '{"question":"x","count":NaN}'],
    ['compressed with gzip', gzipSync('{"question":"x"}')],
    ['compressed with Brotli', brotliCompressSync('{"question":"x"}')],
  ])('%s is 400', async (_, raw) => {
    expect(expectSound(await ask(raw), 'body')).toMatchObject({ status: 400, body: { error_code: 'invalid_input' } });
  });

  it.each(Object.keys(bombs))('of 30 MB in %s is not decompressed on any route', async (encoding) => {
    const raw = bombs[encoding] ?? '';
    const before = process.memoryUsage().rss;
    for (const path of [questionPath, '/api/accounts/login', '/api/accounts/register']) {
      const answer = await call('POST', path, { token, raw, headers: { 'content-encoding': encoding } });
      expect([400, 413]).toContain(expectSound(answer, encoding).status);
    }
    expect((process.memoryUsage().rss - before) / 1e6).toBeLessThan(25);
  });

  it('keeps the last of two equal names, as JSON.parse does', async () => {
    const made = await call<{ knowledge: { id: string; title: string } }>('POST', '/api/knowledge', {
      token,
      raw: '{"title":"first","text":"x","title":"last"}',
    });
    expect(made.body.knowledge.title).toBe('last');
    const listed = await call('GET', '/api/knowledge', { token });
    expect(listed.text).not.toContain('first');
  });

  it('may have a byte order mark, but no unknown field', async () => {
    const more = ['"account_id":"0198a000-0000-7000-8000-000000000000"', '"role":"operator"', '"status":"completed"'];
    for (const one of more) expect((await ask(`{"question":"With more?",${one}}`)).status).toBe(400);
    const { body } = await ask(bytes([0xef, 0xbb, 0xbf], '{"question":"With a mark?"}'));
    const { rows } = await api.services.db.pool.query('select id, input from jobs where account_id = $1', [accountId]);
    expect(rows).toEqual([{ id: body.job_id, input: { question: 'With a mark?' } }]);
  });

  it.each(['__proto__', 'constructor', 'prototype'])('with %s pollutes no prototype', async (name) => {
    const evil = `{"polluted":true,"isAdmin":true,"role":"operator","prototype":{"polluted":true}}`;
    for (const [method, path, body] of [
      ['POST', questionPath, `{"question":"x","${name}":${evil}}`],
      ['POST', '/api/web-knowledge/generate-prompt', `{"prompt":"x","business":{"${name}":"polluted"}}`],
      ['PUT', '/api/prompt', `{"text":"x","${name}":${evil}}`],
      ['POST', '/api/workflows', `{"ig_user_id":"1","name":"x","${name}":${evil}}`],
      ['POST', '/api/accounts/login', `{"email":"a@example.com","password":"x","${name}":${evil}}`],
    ] as const)
      expectSound(await call(method, path, { token, raw: body }), `${path} ${name}`);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(Object.hasOwn(Object.prototype, 'isAdmin')).toBe(false);
    expect((await call('POST', '/api/admin/grants', { token, body: {} })).status).toBe(403);
  });

  it.each([
    ['1e999', 400],
    ['-0', 201],
    ['0', 201],
    ['9007199254740993', 400],
    ['1000000000000', 201],
    ['1000000000001', 400],
    ['0.5', 400],
    ['1e2', 201],
    ['-1', 400],
    ['"100"', 400],
    ['1E400', 400],
  ])('with %s tokens is %i', async (tokens, status) => {
    const operator = await newPerson({ role: 'operator' });
    const { email } = await newPerson();
    const raw = `{"email":"${email}","plan":"starter","tokens":${tokens}}`;
    const answer = await call<{ subscription?: { tokens_remaining: number } }>('POST', '/api/admin/subscriptions', {
      token: operator.token,
      raw,
    });
    expect(answer.status, answer.text).toBe(status);
    if (status === 201) expect(answer.body.subscription?.tokens_remaining).toBe(Number(tokens) + 0);
  });
});

describe('a content type', () => {
  it.each([
    ['application/json; charset=utf-8', 202],
    ['application/json;charset=UTF-8', 202],
    ['application/json; charset=utf-16', 202],
    ['application/json, text/plain', 400],
    ['text/json', 400],
    ['text/plain;application/json', 400],
    ['multipart/form-data; boundary=x', 400],
    ['application/x-www-form-urlencoded', 400],
    ['application/json\u0020;;', 400],
    ['', 400],
    [`application/json; x=${'a'.repeat(4_000)}`, 202],
    [`application/${'a-'.repeat(4_000)}json`, 400],
  ])('%s is read as UTF-8 JSON or refused', async (type, status) => {
    expect(expectSound(await ask('{"question":"سلام?"}', { 'content-type': type }), type).status).toBe(status);
  });

  it('is parsed in linear time', async () => {
    const time = async (type: string) => {
      const startedAt = performance.now();
      await ask('{"question":"x"}', { 'content-type': type });
      return performance.now() - startedAt;
    };
    for (const piece of ['a.', 'a-', 'json+', ' ;', '; a='])
      expect(await time(`application/${piece.repeat(3_500)}!`)).toBeLessThan(500);
  });
});

describe('a header', () => {
  it('of 17 KB is refused and affects no other request', async () => {
    for (const name of ['idempotency-key', 'authorization', 'x-anything']) {
      const answer = await call('GET', '/api/jobs', { headers: { [name]: 'x'.repeat(17_000) } }).catch(() => undefined);
      expect([431, undefined]).toContain(answer?.status);
    }
    expect((await call('GET', '/api/jobs', { token })).status).toBe(200);
  });

  it.each(['a b', "';--", '%00', '{}', '../x', 'é', '\u00ff', '"quoted"', 'x,y', 'admin', '*'])(
    'Idempotency-Key of %j is a valid key of this account only',
    async (key) => {
      const other = await newPerson({ tokens: 1_000 });
      const headers = { 'idempotency-key': key };
      const send = (as: string, question: string) =>
        call('POST', questionPath, { token: as, headers, body: { question } });
      const first = await send(token, 'Once?');
      expect(first.status).toBe(202);
      expect((await send(token, 'Once?')).body.job_id).toBe(first.body.job_id);
      expect(await send(token, 'Twice?')).toMatchObject({ status: 409, body: { error_code: 'idempotency_conflict' } });
      const theirs = await send(other.token, 'Once?');
      expect(theirs.status).toBe(202);
      expect(theirs.body.job_id).not.toBe(first.body.job_id);
    },
  );

  it.each(['wait', 'wait=', 'wait=-1', 'wait=1e9', 'wait=0', 'wait=00000000001', 'respond-async', ';;;,,,'])(
    'Prefer: %s doesn’t wait',
    async (prefer) => {
      const startedAt = performance.now();
      expect((await ask('{"question":"x"}', { prefer })).status).toBe(202);
      expect(performance.now() - startedAt).toBeLessThan(5_000);
    },
  );
});

describe('a URL', () => {
  it('with a path or query of 12 KB gets a regular answer', async () => {
    const long = 'x'.repeat(12_000);
    expect(expectSound(await call('GET', `/api/jobs/${long}`, { token }), 'path').status).toBe(404);
    expect(expectSound(await call('GET', `/api/jobs?cursor=${long}`, { token }), 'query').status).toBe(400);
    expect((await call('GET', `/api/jobs?${'a=b&'.repeat(3_000)}`, { token })).status).toBe(400);
    expect((await call('GET', `/api/jobs?limit=1&${'&'.repeat(12_000)}`, { token })).status).toBe(200);
    expect((await call('GET', `/${'a/'.repeat(6_000)}`, { token })).status).toBe(404);
  });

  it.each([
    'limit=1&limit=2',
    'limit[]=1',
    'limit=1%00',
    'limit=0x10',
    'limit=1e1',
    'limit=%F0',
    'cursor=',
    'limit=',
    '__proto__=1',
  ])('with the query %s is 200 or 400', async (query) => {
    expect([200, 400]).toContain(expectSound(await call('GET', `/api/jobs?${query}`, { token }), query).status);
  });
});
