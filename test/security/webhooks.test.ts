/** Webhooks that are forged are refused, and webhooks that are repeated have no second effect. */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { instagramSecret, type Person, until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';

const { api, call, newPerson, sandbox, poll, url } = await startPlatform();
const path = '/webhooks/instagram';
const maxBytes = 4 * 1024 * 1024;

let accounts = 0;
let igUserId: string;
let owner: Person;
beforeEach(async () => {
  igUserId = `1784140000003${String(++accounts).padStart(4, '0')}`;
  owner = await newPerson({ tokens: 10_000 });
  sandbox.instagram.clear();
  const account = { ig_user_id: igUserId, username: `shop${accounts}`, access_token: 'token' };
  await call('POST', '/api/instagram/accounts', { token: owner.token, body: account });
  await call('POST', '/api/workflows', { token: owner.token, body: { ig_user_id: igUserId, name: 'every comment' } });
});

const sign = (body: string | Uint8Array, secret = instagramSecret, hash = 'sha256') =>
  `${hash}=${createHmac(hash, secret).update(body).digest('hex')}`;
let comments = 0;
const comment = (id = `1787${++comments}`) =>
  JSON.stringify({
    object: 'instagram',
    entry: [
      {
        id: igUserId,
        time: Math.floor(Date.now() / 1_000),
        changes: [
          {
            field: 'comments',
            value: {
              id,
              from: { id: `55${comments}`, username: 'mina' },
              text: 'Price, naïve قیمت?',
              media: { id: '1' },
            },
          },
        ],
      },
    ],
  });
const post = (raw: string | Uint8Array | ReadableStream, headers: Record<string, string>) =>
  call('POST', path, { raw, headers });
const signed = (raw: string | Uint8Array) => post(raw, { 'x-hub-signature-256': sign(raw) });

async function countStored() {
  const { rows } = await api.services.db.pool.query<{ events: number; jobs: number }>(
    `select (select count(*) from webhook_events where ig_user_id = $1 and kind = 'comment') as events,
       (select count(*) from jobs where account_id = $2) as jobs`,
    [igUserId, owner.accountId],
  );
  return rows[0];
}

describe('an invalid webhook', () => {
  it.each<[string, (body: string) => Record<string, string>]>([
    ['without a signature', () => ({})],
    ['with an empty signature', () => ({ 'x-hub-signature-256': '' })],
    ['with a signature of zeros', () => ({ 'x-hub-signature-256': `sha256=${'0'.repeat(64)}` })],
    ['signed with another secret', (body) => ({ 'x-hub-signature-256': sign(body, 'another secret') })],
    ['signed with an empty secret', (body) => ({ 'x-hub-signature-256': sign(body, '') })],
    ['signed with the verify token', (body) => ({ 'x-hub-signature-256': sign(body, 'VERIFY') })],
    ['with the signature of another body', (body) => ({ 'x-hub-signature-256': sign(`${body} `) })],
    ['with the signature of no body', () => ({ 'x-hub-signature-256': sign('') })],
    ['signed with SHA-1 only', (body) => ({ 'x-hub-signature': sign(body, instagramSecret, 'sha1') })],
    [
      'with its SHA-1 in the SHA-256 header',
      (body) => ({ 'x-hub-signature-256': sign(body, instagramSecret, 'sha1') }),
    ],
    ['with its SHA-256 in the SHA-1 header', (body) => ({ 'x-hub-signature': sign(body) })],
    ['signed with SHA-512', (body) => ({ 'x-hub-signature-256': sign(body, instagramSecret, 'sha512') })],
    ['with two signatures', (body) => ({ 'x-hub-signature-256': `${sign(body)}, ${sign(body)}` })],
    ['with half a signature', (body) => ({ 'x-hub-signature-256': sign(body).slice(0, 40) })],
    ['with a signature in capitals', (body) => ({ 'x-hub-signature-256': sign(body).toUpperCase() })],
    ['with its signature in another header', (body) => ({ 'x-signature': sign(body) })],
  ])('is refused %s', async (_, headers) => {
    const body = comment();
    const answer = await post(body, headers(body));
    expect(answer).toMatchObject({ status: 401, body: { success: false, error_code: 'unauthenticated' } });
    expect(await countStored()).toEqual({ events: 0, jobs: 0 });
  });

  it('is refused when re-serialized: signatures cover bytes', async () => {
    const body = comment();
    const escaped = body.replace(/[^ -~]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);
    expect(JSON.parse(escaped)).toEqual(JSON.parse(body));
    for (const other of [escaped, JSON.stringify(JSON.parse(body), null, 1), `${body}\n`, `\ufeff${body}`])
      expect((await post(other, { 'x-hub-signature-256': sign(body) })).status).toBe(401);
    expect(await countStored()).toEqual({ events: 0, jobs: 0 });
    expect((await signed(escaped)).status).toBe(200);
    expect(await countStored()).toEqual({ events: 1, jobs: 1 });
  });

  it('is refused over 4 MB, with or without a Content-Length', async () => {
    const padded = (bytes: number) => `{"object":"instagram","entry":[]}`.padEnd(bytes);
    const chunks = (body: string) => ReadableStream.from([Buffer.from(body.slice(0, 9)), Buffer.from(body.slice(9))]);
    const large = padded(maxBytes + 1);
    for (const raw of [large, chunks(large)]) {
      const answer = await post(raw, { 'x-hub-signature-256': sign(large) });
      expect(answer).toMatchObject({ status: 413, body: { error_code: 'payload_too_large' } });
    }
    expect((await signed(padded(maxBytes))).status).toBe(200);
    expect((await post(chunks(padded(maxBytes)), { 'x-hub-signature-256': sign(padded(maxBytes)) })).status).toBe(200);
  });

  it('is refused when compressed, even with a valid signature', async () => {
    for (const body of [gzipSync(comment()), gzipSync(Buffer.alloc(50_000_000, ' '))]) {
      const headers = { 'x-hub-signature-256': sign(body), 'content-encoding': 'gzip' };
      expect(await post(body, headers)).toMatchObject({ status: 400, body: { error_code: 'invalid_input' } });
    }
    expect(await countStored()).toEqual({ events: 0, jobs: 0 });
  });

  it.each([
    '',
    'null',
    '7',
    '"instagram"',
    '[]',
    '{"entry":',
    '[[',
    '\u0000',
    '{"object":"instagram","entry":{"__proto__":[]}}',
  ])('has no effect when signed with body %j', async (body) => {
    expect([200, 400]).toContain((await signed(body)).status);
    expect(await countStored()).toEqual({ events: 0, jobs: 0 });
  });

  it('has no effect when nested 10,000 deep', async () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"entry":', '}'],
    ] as const) {
      const nested = `${open.repeat(10_000)}1${close.repeat(10_000)}`;
      expect((await signed(nested)).status).toBe(200);
      expect((await signed(`{"object":"instagram","entry":[${nested}]}`)).status).toBe(200);
    }
  });
});

describe('a repeated webhook', () => {
  it('is 200 and has no second effect, even 20 at once', async () => {
    const body = comment();
    for (const answer of await Promise.all(Array.from({ length: 20 }, () => signed(body))))
      expect(answer.status).toBe(200);
    const { rows } = await api.services.db.pool.query<{ id: string }>('select id from jobs where account_id = $1', [
      owner.accountId,
    ]);
    expect(rows).toHaveLength(1);
    const job = await poll(owner.token, rows[0]?.id ?? '');
    expect(job).toMatchObject({ status: 'completed', result: { sent: true } });
    expect((await signed(body)).status).toBe(200);
    expect(await countStored()).toEqual({ events: 1, jobs: 1 });
    expect(sandbox.instagram.sends.list({ ig_user_id: igUserId })).toHaveLength(1);
  });

  it('in another body is not a new event', async () => {
    const body = comment();
    await signed(body);
    const again = JSON.parse(body) as { entry: unknown[] };
    expect((await signed(JSON.stringify({ ...again, entry: [...again.entry, ...again.entry] }, null, 2))).status).toBe(
      200,
    );
    expect(await countStored()).toEqual({ events: 1, jobs: 1 });
  });
});

describe('concurrent webhooks', () => {
  const connectTo = async (): Promise<Socket> => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    return socket;
  };

  it('are all answered, and each is stored once', async () => {
    const bodies = Array.from({ length: 60 }, () => comment());
    const answers = await Promise.all(bodies.map((body) => signed(body)));
    expect(answers.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);
    for (const [i, { status, headers }] of answers.entries()) {
      if (status === 503) expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect((await signed(bodies[i] ?? '')).status).toBe(200);
    }
    expect(await countStored()).toMatchObject({ events: 60, jobs: 60 });
  });

  const head = (bytes: number) =>
    `POST ${path} HTTP/1.1\r\nhost: x\r\nx-hub-signature-256: sha256=${'0'.repeat(64)}\r\ncontent-length: ${bytes}\r\n\r\n`;

  it('with slow bodies don’t block valid ones', async () => {
    const slowClients = await Promise.all(Array.from({ length: 200 }, connectTo));
    for (const socket of slowClients) socket.write(`${head(maxBytes)}{`);
    const drip = setInterval(() => {
      for (const socket of slowClients) if (socket.writable) socket.write(' ');
    }, 50);
    onTestFinished(() => clearInterval(drip));
    for (let i = 0; i < 10; i++) expect((await signed(comment())).status).toBe(200);
  });

  it('with incomplete bodies are dropped when the budget is full', async () => {
    const answers: string[] = [];
    const nearlyAll = Buffer.alloc(maxBytes - 1, ' ');
    for (let i = 0; i < 26; i++) {
      const socket = await connectTo();
      socket.on('data', (data) => answers.push(data.toString()));
      await new Promise((sent) => socket.write(head(maxBytes), () => socket.write(nearlyAll, sent)));
    }
    await until(() => answers.some((answer) => answer.startsWith('HTTP/1.1 503 ')));
    await until(async () => (await signed(comment())).status === 200, 5_000);
  });
});
