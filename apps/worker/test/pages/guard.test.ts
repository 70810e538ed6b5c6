/** The proxy by itself, without a browser. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { addressRefusals } from '@tally/extraction';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Guard, openGuard } from '../../src/pages/proxy/guard.ts';
import { publicAddress } from './web.ts';

const web = createServer((incoming, response) => {
  if (incoming.url === '/headers') response.setHeader('x-got', JSON.stringify(incoming.headers));
  response.writeHead(incoming.url === '/407' ? 407 : 200, { 'proxy-status': 'forged', 'set-cookie': ['a=1', 'b=2'] });
  response.end('x'.repeat(incoming.url === '/large' ? 200_000 : 5));
});
let guard: Guard;
let tooManyBytes = 0;
const dialed: string[] = [];
/** The first address accepts no connections. */
const twoAddresses = ['93.184.215.15', publicAddress];

beforeAll(async () => {
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  guard = await openGuard({
    policy: { allowedHosts: new Set(['inside.test:5000']) },
    network: {
      resolve: async (hostname) => {
        if (hostname === 'two.test') return twoAddresses;
        if (hostname === 'gone.test') throw Object.assign(new Error('x'), { code: 'ENOTFOUND' });
        if (hostname === 'trouble.test') throw Object.assign(new Error('x'), { code: 'EAI_AGAIN' });
        return hostname === 'inside.test' ? ['10.0.0.9'] : [publicAddress];
      },
      dial: (address, port) => {
        dialed.push(`${address} ${port}`);
        return { host: '127.0.0.1', port: address === twoAddresses[0] ? 1 : (web.address() as AddressInfo).port };
      },
    },
    maxBytes: 150_000,
    onTooManyBytes: () => tooManyBytes++,
  });
});
afterAll(() => {
  guard.close();
  web.close();
});

const port = () => Number(new URL(guard.proxyUrl).port);

async function get(url: string, headers = {}): Promise<IncomingMessage> {
  const [response] = await once(request({ port: port(), path: url, headers, agent: false }).end(), 'response');
  response.resume();
  return response;
}

/** The status line of the response to a CONNECT, as Chromium sends it for https and WebSockets. */
async function tunnel(authority: string): Promise<string> {
  const socket = connect(port(), '127.0.0.1');
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  const [data] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return data.toString().split('\r\n')[0] ?? '';
}

describe('guard', () => {
  it('tunnels to public hosts and to exempted ones', async () => {
    for (const authority of ['shop.test:443', 'shop.test:80', '93.184.215.14:8443', 'inside.test:5000'])
      expect(await tunnel(authority), authority).toBe('HTTP/1.1 200 Connection Established');
  });

  it('tunnels to no other host or port', async () => {
    const before = dialed.length;
    const refused = ['127.0.0.1:443', '[::1]:443', '0x7f.1:443', 'localhost:443', 'inside.test:443', 'shop.test:22'];
    for (const authority of [...refused, '169.254.169.254:80', 'inside.test:5001', '[::ffff:10.0.0.9]:443', '']) {
      expect(await tunnel(authority), authority).not.toContain(' 200 ');
    }
    expect(dialed.slice(before)).toEqual([]);
  });

  it('reports why a request failed, without an address', async () => {
    await tunnel('inside.test:443');
    expect(guard.failureAt('https://inside.test/p')).toMatchObject({
      code: 'address_refused',
      message: addressRefusals.host,
    });
    expect((await get('http://gone.test/')).statusCode).toBe(502);
    expect(guard.failureAt('http://gone.test/')).toMatchObject({ code: 'page_not_found' });
    await get('http://trouble.test/');
    expect(guard.failureAt('http://trouble.test/')).toMatchObject({ code: 'unavailable' });
    expect(guard.failureAt('http://shop.test/')).toBeUndefined();
  });

  it('tries the next address of a name if the first is unreachable', async () => {
    expect((await get('http://two.test/')).statusCode).toBe(200);
    expect(dialed.slice(-2)).toEqual(['93.184.215.15 80', '93.184.215.14 80']);
  });

  it('forwards end-to-end headers, but no proxy headers', async () => {
    const answer = await get('http://shop.test/headers', {
      'proxy-authorization': 'x',
      'proxy-connection': 'y',
      host: 'other.test',
    });
    const got = JSON.parse(String(answer.headers['x-got']));
    expect(got).toMatchObject({ host: 'shop.test' });
    expect(Object.keys(got).filter((name) => name.startsWith('proxy'))).toEqual([]);
    expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(answer.headers['proxy-status']).toBeUndefined();
    expect((await get('http://shop.test/407')).statusCode).toBe(502);
    expect((await get('https://shop.test/')).statusCode).toBe(502);
    expect((await get('/own')).statusCode).toBe(502);
  });

  it('limits concurrent and total lookups, and stops on close', async () => {
    let [running, maxRunning] = [0, 0];
    const asked: string[] = [];
    const answers: (() => void)[] = [];
    const narrow = await openGuard({
      policy: { allowedHosts: new Set() },
      network: {
        resolve: async (hostname) => {
          asked.push(hostname);
          maxRunning = Math.max(maxRunning, ++running);
          await new Promise<void>((resolve) => answers.push(resolve));
          running--;
          return [];
        },
        dial: () => ({ host: '127.0.0.1', port: 1 }),
      },
      maxBytes: 1_000,
      onTooManyBytes: () => undefined,
    });
    const visits = Array.from({ length: 100 }, (_, i) =>
      once(
        request({ port: new URL(narrow.proxyUrl).port, path: `http://n${i}.test/`, agent: false }).end(),
        'response',
      ),
    );
    const ended = Promise.allSettled(visits);
    // Names beyond the first 50 are refused while the first 8 lookups are pending.
    await Promise.race(visits.slice(50));
    for (let rounds = 0; asked.length < 30 && rounds < 200; rounds++) {
      answers.shift()?.();
      await sleep(10);
    }
    expect(maxRunning).toBe(8);
    expect(narrow.failureAt('http://n99.test/')).toMatchObject({ code: 'unavailable' });
    narrow.close();
    const before = asked.length;
    for (const answer of answers) answer();
    await ended;
    expect(asked.length).toBe(before);
    expect(before).toBeLessThan(50);
  });

  it('closes every connection beyond its byte limit', async () => {
    const answer = await get('http://shop.test/large');
    await expect(once(answer, 'end')).rejects.toThrow('aborted');
    expect(answer.complete).toBe(false);
    expect(tooManyBytes).toBe(1);
    await expect(get('http://shop.test/')).rejects.toThrow();
  });
});
