/** Attempts of tenants and websites to reach private addresses; a listener behind those counts visits. */
import type { ServerResponse } from 'node:http';
import { addressRefusals } from '@tally/extraction';
import { afterEach, describe, expect, it } from 'vitest';
import { failure, openWeb } from './web.ts';

const web = await openWeb();
const refused = { code: 'address_refused', message: addressRefusals.host };
/** Through the proxy, past it to a real port, by encoded addresses, and by name. */
const privateUrls = [
  'http://10.0.0.9/',
  'http://169.254.169.254/latest/meta-data/',
  `http://127.0.0.1:${web.secretPort}/`,
  `http://localhost:${web.secretPort}/`,
  'http://[::ffff:127.0.0.1]:8080/',
  'http://0x7f000001/',
  'https://192.168.0.1/',
  'http://inside.test/',
];
web.names.set('inside.test', [['10.0.0.9']]);
web.names.set('half-inside.test', [['93.184.215.14', '10.0.0.9']]);

afterEach(() => {
  expect(web.secretVisits).toEqual([]);
});

describe('private address', () => {
  it.each(['http://10.0.0.9/', 'http://inside.test/', 'https://inside.test/', 'http://half-inside.test/'])(
    'is refused: %s',
    async (url) => {
      expect(await failure(web.open(url))).toEqual(refused);
    },
  );

  it('ends the reading after a redirect of any status', async () => {
    const kinds = [301, 302, 303, 307, 308].map(async (status, i) => {
      const to = privateUrls[i] ?? '';
      const redirect = (_request: unknown, response: ServerResponse) =>
        response.writeHead(status, { location: to }).end();
      web.pages.set(`shop.test/${status}`, redirect);
      expect((await failure(web.open(`http://shop.test/${status}`))).code, to).toBe('address_refused');
    });
    await Promise.all(kinds);
  });

  it('ends the reading after a redirect to another scheme', async () => {
    for (const to of ['file:///etc/passwd', 'ftp://shop.test/', 'chrome://version/']) {
      web.pages.set('shop.test/scheme', (_request, response) => response.writeHead(302, { location: to }).end());
      expect(await failure(web.open('http://shop.test/scheme')), to).toEqual({
        code: 'address_refused',
        message: addressRefusals.scheme,
      });
    }
  });

  it('ends the reading after a chain of public redirects', async () => {
    const chain = ['http://second.test/', 'http://third.test/', 'http://inside.test/'];
    for (const [i, host] of ['first.test', 'second.test', 'third.test'].entries())
      web.pages.set(`${host}/`, (_request, response) => response.writeHead(302, { location: chain[i] }).end());
    expect(await failure(web.open('http://first.test/'))).toEqual(refused);
  });

  it.each([
    ['a script', (to: string) => `<script>location.href = '${to}'</script>`],
    ['a script after a while', (to: string) => `<script>setTimeout(() => location.replace('${to}'), 400)</script>`],
    ['meta refresh', (to: string) => `<meta http-equiv="refresh" content="0;url=${to}">`],
    ['a form', (to: string) => `<form method=post action="${to}"></form><script>document.forms[0].submit()</script>`],
    ['a link in the top frame', (to: string) => `<iframe srcdoc="<script>top.location='${to}'</script>"></iframe>`],
  ])('ends the reading after a navigation by %s', async (_kind, html) => {
    web.pages.set('shop.test/moves-by-name', `<!doctype html><title>moves</title>${html('http://inside.test/')}`);
    web.pages.set('shop.test/moves', `<!doctype html>${html(`http://127.0.0.1:${web.secretPort}/`)}`);
    const urls = ['http://shop.test/moves-by-name', 'http://shop.test/moves'];
    const ends = await Promise.all(urls.map((url) => failure(web.open(url))));
    expect(ends.map(({ code }) => code)).toEqual(['address_refused', 'address_refused']);
  });
});

describe('subresource at a private address', () => {
  it('is missing from the page that is read', async () => {
    const parts = privateUrls.map(
      (to) => `
      <img src="${to}i.png"><iframe src="${to}"></iframe><script src="${to}s.js"></script>
      <link rel=stylesheet href="${to}c.css"><link rel=preload as=fetch href="${to}"><link rel=prefetch href="${to}">
      <link rel=preconnect href="${to}"><link rel=dns-prefetch href="${to}"><link rel=icon href="${to}icon.ico">
      <object data="${to}"></object><embed src="${to}"><video src="${to}v.mp4" autoplay></video>
      <div style="background:url(${to}b.png)">part</div>`,
    );
    web.pages.set('shop.test/parts', `<!doctype html><h1>Kettle</h1>${parts.join('')}`);
    const page = await web.open('http://shop.test/parts');
    expect(page.html).toContain('<h1>Kettle</h1>');
    expect(page.html).not.toContain('the secret');
  });

  it('is unreachable by fetch, beacons, sockets, workers and popups', async () => {
    const script = `
      const ask = (what) => { try { return what(); } catch {} };
      for (const to of ${JSON.stringify(privateUrls)}) {
        fetch(to, { mode: 'no-cors' }).catch(() => 0);
        ask(() => navigator.sendBeacon(to, 'x'));
        ask(() => new WebSocket(to.replace('http', 'ws')));
        ask(() => new EventSource(to));
        ask(() => open(to));
        ask(() => new Worker(URL.createObjectURL(new Blob(['fetch("' + to + '").catch(() => 0)']))));
        ask(() => import(to).catch(() => 0));
        ask(() => new WebTransport(to.replace('http:', 'https:')));
      }
      ask(() => navigator.serviceWorker.register('/sw.js'));`;
    web.pages.set('shop.test/scripts', `<!doctype html><h1>Kettle</h1><script>${script}</script>`);
    const page = await web.open('http://shop.test/scripts');
    expect(page.html).toContain('<h1>Kettle</h1>');
    expect(web.asked).not.toContain('shop.test/sw.js');
  });

  it('is not reached over UDP', async () => {
    const script = `
      const servers = [{ urls: 'stun:127.0.0.1:${web.secretUdpPort}' },
        { urls: 'turn:127.0.0.1:${web.secretUdpPort}', username: 'u', credential: 'c' },
        { urls: 'turn:127.0.0.1:${web.secretPort}?transport=tcp', username: 'u', credential: 'c' }];
      const peer = new RTCPeerConnection({ iceServers: servers });
      peer.createDataChannel('x');
      peer.createOffer().then((offer) => peer.setLocalDescription(offer));`;
    web.pages.set('shop.test/rtc', `<!doctype html><h1>Kettle</h1><script>${script}</script>`);
    expect((await web.open('http://shop.test/rtc')).html).toContain('<h1>Kettle</h1>');
  });
});

describe('DNS rebinding', () => {
  it('keeps the first address for a page and is refused on the next', async () => {
    web.names.set('rebind.test', [['93.184.215.14'], ['169.254.169.254']]);
    const script = `fetch('/late').then((r) => r.text()).then((text) => document.body.append(text))`;
    web.pages.set('rebind.test/', `<!doctype html><body><script>setTimeout(() => ${script}, 300)</script>`);
    web.pages.set('rebind.test/late', 'from the first address');
    expect((await web.open('http://rebind.test/')).html).toContain('from the first address');
    expect(await failure(web.open('http://rebind.test/'))).toEqual(refused);
  });
});
