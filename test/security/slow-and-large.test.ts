/** Slowloris clients, clients that don't read, and oversized bodies: other requests are not affected. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { questionPath, until } from '@tally/testing';
import { startPlatform } from '@tally/testing/vitest';
import { describe, expect, it, onTestFinished } from 'vitest';

const requestMs = 1_500;
const silenceMs = 2_500;
const { api, call, newPerson, url } = await startPlatform({ worker: false, clientTimeouts: { requestMs, silenceMs } });
const { token } = await newPerson({ tokens: 10_000 });
const login = 'POST /api/accounts/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';

/** Opens a connection that records the received data and its end. */
async function open(begin = '') {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
  await once(socket, 'connect');
  const client = { socket, received: '', openedAt: Date.now(), endedAt: 0 };
  socket.on('data', (data) => {
    client.received += data.toString('latin1');
  });
  socket.once('close', () => {
    client.endedAt = Date.now();
  });
  onTestFinished(() => void socket.destroy());
  socket.write(begin);
  return { client };
}
const openMany = (count: number, begin = '') =>
  Promise.all(Array.from({ length: count }, async () => (await open(begin)).client));

/** Sends `piece` repeatedly until the connection or the test ends. */
function drip(socket: Socket, piece: string, everyMs = 100): void {
  const timer = setInterval(() => socket.writable && socket.write(piece), everyMs);
  onTestFinished(() => clearInterval(timer));
}

/** The slowest request of another client, in ms, until `isOver` returns true. */
async function slowest(isOver: () => boolean): Promise<number> {
  let maxMs = 0;
  while (!isOver()) {
    const startedAt = performance.now();
    expect((await call('GET', '/api/jobs', { token })).status).toBe(200);
    maxMs = Math.max(maxMs, performance.now() - startedAt);
    await sleep(20);
  }
  return maxMs;
}

describe('an incomplete request', () => {
  const slow = [
    { how: 'drips its body', begin: `${login}content-length: 5000\r\n\r\n{"email":"`, piece: 'x' },
    { how: 'drips its body in chunks', begin: `${login}transfer-encoding: chunked\r\n\r\n`, piece: '1\r\nx\r\n' },
    { how: 'drips its headers', begin: 'GET /api/jobs HTTP/1.1\r\nhost: x\r\n', piece: 'x-more: 1\r\n' },
    { how: 'drips its first line', begin: 'GET /', piece: 'x' },
    { how: 'stops in its body', begin: `${login}content-length: 5000\r\n\r\n{`, piece: '' },
    { how: 'stops in its headers', begin: 'GET /api/jobs HTTP/1.1\r\n', piece: '' },
    { how: 'never begins', begin: '', piece: '' },
  ];

  it('ends at the timeout; other requests are answered meanwhile', async () => {
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => slow).flatMap((kinds) =>
        kinds.map(async (kind) => ({ ...kind, ...(await open(kind.begin)) })),
      ),
    );
    for (const { client, piece } of clients) if (piece !== '') drip(client.socket, piece);
    const maxMs = await slowest(() => clients.every(({ client }) => client.endedAt > 0));
    for (const { how, client } of clients) {
      expect(client.received, how).toMatch(/^(HTTP\/1\.1 408 |$)/);
      expect(client.endedAt - client.openedAt, how).toBeLessThan(requestMs + 5_000);
    }
    expect(maxMs).toBeLessThan(5_000);
  });
});

describe('an answer that its client doesn’t read', () => {
  it('is dropped after the idle timeout', async () => {
    const reader = await newPerson();
    await api.services.db.pool.query(
      `insert into knowledge (id, account_id, title, text)
       select gen_random_uuid(), $1, 'Long', repeat('灯', 100000) from generate_series(1, 50)`,
      [reader.accountId],
    );
    const list = `GET /api/knowledge?limit=50 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${reader.token}\r\n\r\n`;
    const clients = await openMany(2, list);
    for (const { socket } of clients) socket.once('data', () => void socket.pause());
    await until(() => clients.every(({ received }) => received !== ''));
    // A client that doesn't read can't notice the end of its connection. Node allows a second timeout to a client that
    // has read some data.
    await sleep(2 * silenceMs + 500);
    for (const { socket } of clients) socket.resume();
    await until(() => clients.every(({ endedAt }) => endedAt > 0));
    for (const { received } of clients) expect(received.length).toBeLessThan(15_000_000);
  });
});

describe('bodies of 10 MB', () => {
  const piece = Buffer.alloc(64 * 1024, ' ');

  /** Writes up to 10,000,000 bytes while the socket is writable. */
  async function writeBody(socket: Socket): Promise<void> {
    for (let bytes = 0; bytes < 10_000_000 && socket.writable; bytes += piece.length)
      if (!socket.write(piece))
        await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined);
  }

  it.each([
    ['announced', 'content-length: 10000000\r\n\r\n'],
    ['in one chunk', 'transfer-encoding: chunked\r\n\r\n989680\r\n'],
  ])('%s are 413, and are not buffered', async (_, rest) => {
    const before = process.memoryUsage().rss;
    let most = 0;
    const watching = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss - before);
    }, 10);
    onTestFinished(() => clearInterval(watching));
    const ask = `POST ${questionPath} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer ${token}\r\n`;
    const clients = await openMany(40);
    await Promise.all(
      clients.map(async ({ socket }, i) => {
        socket.write(`${i % 2 === 0 ? login : ask}${rest}`);
        await writeBody(socket);
      }),
    );
    await until(() => clients.every(({ received }) => received.length > 0));
    for (const { received } of clients) {
      expect(received).toMatch(/^HTTP\/1\.1 413 /);
      expect(received).toContain('"error_code":"payload_too_large"');
    }
    // 400 MB were sent; the figure includes the clients, which run in this process.
    expect(most / 1e6).toBeLessThan(150);
  });
});
