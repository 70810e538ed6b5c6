/** The errors with which reading a page ends. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { failure, openWeb, productData } from './web.ts';

const web = await openWeb();

const answer =
  (status: number, headers: Record<string, string> = {}, body = 'words') =>
  (_request: IncomingMessage, response: ServerResponse) =>
    response.writeHead(status, { 'content-type': 'text/html', ...headers }).end(body);

const codeOf = async (url: string) => (await failure(web.open(url))).code;

describe('response of a website', () => {
  it.concurrent.each([
    [404, 'page_not_found'],
    [410, 'page_not_found'],
    [401, 'blocked'],
    [403, 'blocked'],
    [407, 'unavailable'],
    [429, 'blocked'],
    [400, 'unavailable'],
    [500, 'unavailable'],
    [503, 'unavailable'],
  ])('with status %i fails as %s', async (status, code) => {
    const wantsPassword = { 'proxy-authenticate': 'Basic', 'www-authenticate': 'Basic' };
    web.pages.set(`shop.test/${status}`, answer(status, wantsPassword));
    expect(await codeOf(`http://shop.test/${status}`)).toBe(code);
  });

  it.concurrent.each([
    ['Cloudflare, with 503', 503, '<title>Just a moment...</title><p>Enable JavaScript and cookies to continue</p>'],
    ['Cloudflare, with 200', 200, '<title>Just a moment...</title><div id="challenge-form">wait</div>'],
    ['DataDome', 200, '<title>shop.test</title><iframe src="https://geo.captcha-delivery.com/captcha/"></iframe>'],
    ['PerimeterX', 200, '<title>Access to this page has been denied</title><div id="px-captcha">Press & Hold</div>'],
    ['Akamai', 200, '<title>Access Denied</title><p>Reference #18.2d351ab8.1557333295.a4e16ab</p>'],
    [
      'a shop’s own check',
      200,
      '<title>Robot Check</title><form action="/errors/validateCaptcha">Type the letters</form>',
    ],
  ])('that is a challenge of %s fails as blocked', async (name, status, html) => {
    const path = `shop.test/${encodeURIComponent(name)}`;
    web.pages.set(path, answer(status, {}, `<!doctype html>${productData}${html}`));
    expect(await codeOf(`http://${path}`)).toBe('blocked');
  });

  it('with a captcha in a contact form is read', async () => {
    const text = '<p>Our kettles are made by hand in Leeds, from steel that lasts.</p>'.repeat(20);
    web.pages.set('shop.test/form', `<!doctype html>${productData}${text}<div class="g-recaptcha">…</div>`);
    expect((await web.open('http://shop.test/form')).status).toBe(200);
  });

  it.each([
    ['an image', { 'content-type': 'image/png' }],
    ['a PDF', { 'content-type': 'application/pdf' }],
    ['a download', { 'content-type': 'text/html', 'content-disposition': 'attachment; filename=x.html' }],
  ])('that is %s fails as page_not_found', async (_kind, headers) => {
    web.pages.set('shop.test/file', answer(200, headers));
    expect(await codeOf('http://shop.test/file')).toBe('page_not_found');
  });

  it('that redirects endlessly fails as unavailable', async () => {
    let n = 0;
    web.pages.set('shop.test/loop', (_request, response) =>
      response.writeHead(302, { location: `/loop?${n++}` }).end(),
    );
    expect(await failure(web.open('http://shop.test/loop'))).toMatchObject({ message: 'The page redirects too often' });
    expect(n).toBeLessThanOrEqual(12);
    web.pages.set('shop.test/reload', '<!doctype html><script>location.reload()</script>');
    expect(await codeOf('http://shop.test/reload')).toBe('unavailable');
  });
});

describe('unreachable website', () => {
  it('fails as page_not_found if the host does not exist', async () => {
    web.names.set('gone.test', [[]]);
    expect(await codeOf('http://gone.test/')).toBe('page_not_found');
    expect(await codeOf('https://gone.test/')).toBe('page_not_found');
  });

  it('fails as unavailable if the host closes the connection', async () => {
    web.pages.set('shop.test/hangs-up', (request) => request.socket.destroy());
    expect(await codeOf('http://shop.test/hangs-up')).toBe('unavailable');
    // A TLS handshake with a server that speaks plain HTTP only.
    expect(await codeOf('https://shop.test/')).toBe('unavailable');
  });
});

describe('page above a limit', () => {
  const bomb = (type: string, chunks: number) => (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200, { 'content-type': type, 'content-encoding': 'gzip' });
    const gzip = createGzip();
    gzip.pipe(response);
    const zeros = Buffer.alloc(1_000_000, ' ');
    void (async () => {
      for (let i = 0; i < chunks && !response.destroyed; i++)
        if (!gzip.write(zeros))
          await Promise.race([new Promise((resolve) => gzip.once('drain', resolve)), sleep(2_000)]);
      gzip.end();
    })();
  };

  it('fails as too_large if it decompresses to gigabytes', async () => {
    web.pages.set('shop.test/bomb', bomb('text/html', 3_000));
    const startedAt = Date.now();
    expect(await codeOf('http://shop.test/bomb')).toBe('too_large');
    expect(Date.now() - startedAt).toBeLessThan(5_000);
  });

  it('fails as too_large if its script or frame is a bomb', async () => {
    web.pages.set('shop.test/bomb.js', bomb('text/javascript', 200));
    web.pages.set('other.test/frame', bomb('text/html', 200));
    web.pages.set('shop.test/scripted', '<!doctype html><script src="/bomb.js"></script>');
    web.pages.set('shop.test/framed', '<!doctype html><iframe src="http://other.test/frame"></iframe>');
    const ends = await Promise.all([codeOf('http://shop.test/scripted'), codeOf('http://shop.test/framed')]);
    expect(ends).toEqual(['too_large', 'too_large']);
  });

  it('fails as too_large if it fills blobs, and can’t fill databases', async () => {
    const keeping = (how: string) => `<!doctype html><h1>Keeps</h1><script>
      const part = () => crypto.getRandomValues(new Uint8Array(65_536));
      const large = () => new Blob(Array.from({ length: 160 }, part));
      ${how}
    </script>`;
    web.pages.set(
      'shop.test/blobs',
      keeping('const all = []; setInterval(() => all.push(large(), large(), large(), large()), 20);'),
    );
    web.pages.set(
      'shop.test/database',
      keeping(`const opening = indexedDB.open('x', 1);
        opening.onupgradeneeded = () => opening.result.createObjectStore('s', { autoIncrement: true });
        opening.onsuccess = () => {
          const put = () => {
            const transaction = opening.result.transaction('s', 'readwrite');
            transaction.objectStore('s').put(new Uint8Array(10_000_000));
            transaction.oncomplete = put;
            transaction.onabort = () => (document.title = 'full');
          };
          put();
        };`),
    );
    expect(await codeOf('http://shop.test/blobs')).toBe('too_large');
    const stored = await web.open('http://shop.test/database').catch((error: { code: string }) => error.code);
    // The storage quota stops it, or the memory limit ends the browser.
    expect(typeof stored === 'string' ? stored : 'read').toMatch(/^(read|too_large)$/);
  });

  it('fails as too_large if its response or document is endless', async () => {
    web.pages.set('shop.test/stream', (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' });
      const send = () => {
        while (!response.destroyed && response.write('x'.repeat(100_000)));
      };
      response.on('drain', send);
      send();
    });
    web.pages.set('shop.test/grows', `<!doctype html><script>document.title = 'x'.repeat(11e6)</script>`);
    const ends = await Promise.all([codeOf('http://shop.test/stream'), codeOf('http://shop.test/grows')]);
    expect(ends).toEqual(['too_large', 'too_large']);
  });

  it('is read up to its 300th request', async () => {
    const scripts = Array.from({ length: 400 }, (_, i) => `<script src="/n.js?${i}"></script>`).join('');
    web.pages.set('shop.test/many', `<!doctype html>${productData}${scripts}<h1>Kettle</h1>`);
    web.pages.set('shop.test/n.js', answer(200, { 'content-type': 'text/javascript' }, ''));
    expect((await web.open('http://shop.test/many')).html).toContain('<h1>Kettle</h1>');
    expect(web.asked.filter((url) => url.startsWith('shop.test/n.js'))).toHaveLength(299);
  });
});

describe('page that takes too long', () => {
  const quick = openWeb({ timeoutMs: 3_000 });

  it('fails as timeout if it streams slowly, is silent, or is busy', async () => {
    const { pages, open } = await quick;
    pages.set('shop.test/drip', (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' });
      const drip = setInterval(() => response.write('<p>drop</p>'), 100);
      response.on('close', () => clearInterval(drip));
    });
    pages.set('shop.test/silent', () => undefined);
    pages.set('shop.test/busy', `<!doctype html>${productData}<script>for (;;);</script>`);
    pages.set('shop.test/alerts', `<!doctype html><script>for (;;) alert('again')</script>`);
    const urls = ['drip', 'silent', 'busy', 'alerts'].map((name) => `http://shop.test/${name}`);
    const ends = await Promise.all(urls.map((url) => failure(open(url))));
    expect(ends.map(({ code }) => code)).toEqual(Array(4).fill('timeout'));
  });

  it('releases its slot to the next page', async () => {
    const { pages, open } = await quick;
    pages.set('shop.test/small', `<!doctype html>${productData}`);
    expect((await open('http://shop.test/small')).status).toBe(200);
  });
});
