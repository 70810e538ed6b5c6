/** A small lamp shop: every file of `pages` at its own path, each another way in which shops state what they sell. */
import { globSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { Hono } from 'hono';

/** The only places that `/redirect` goes to. The private ones are there to be refused. */
const redirects = new Map([
  ['aurora', '/products/aurora-desk-lamp'],
  ['loop', '/redirect?to=loop'],
  ['metadata', 'http://169.254.169.254/latest/meta-data/'],
  ['private', 'http://10.0.0.1/'],
]);

const longestSlowMs = 60_000;

const read = (file: string): string => readFileSync(new URL(file, import.meta.url), 'utf8');

/** A page's document: the file as it is, or its title and head, an empty line and its main part within the frame. */
function readPage(file: string): string {
  const page = read(file);
  if (page.startsWith('<!doctype')) return page;
  const [head = '', ...main] = page.split('\n\n');
  return read('other/frame.html')
    .replace('{{head}}', () => head)
    .replace('{{main}}', () => main.join('\n\n'));
}

export function createShop(): Hono {
  const shop = new Hono();
  const gone = readPage('other/gone.html');
  const slow = readPage('other/slow.html');
  const blocked = readPage('other/blocked.html');
  const [style, lamp] = [read('other/style.css'), read('other/lamp.svg')];

  for (const file of globSync('**/*.html', { cwd: new URL('pages', import.meta.url) })) {
    const html = readPage(`pages/${file}`);
    // Structured data state absolute addresses.
    shop.get(`/${file.replace(/(?:index)?\.html$/, '')}`, (c) =>
      c.html(html.replaceAll('{{origin}}', new URL(c.req.url).origin)),
    );
  }
  shop.get('/style.css', (c) => c.body(style, 200, { 'content-type': 'text/css' }));
  // Every lamp looks the same.
  shop.get('/images/:file{[a-z-]+\\.svg}', (c) => c.body(lamp, 200, { 'content-type': 'image/svg+xml' }));
  shop.get('/robots.txt', (c) => c.text('User-agent: *\nAllow: /\nDisallow: /checkout\n'));
  shop.get('/blocked', (c) => c.html(blocked, 403));
  shop.get('/redirect', (c) => {
    const place = redirects.get(c.req.query('to') ?? '');
    return place === undefined ? c.html(gone, 404) : c.redirect(place);
  });
  shop.get('/slow', async (c) => {
    const delayMs = Math.min(Number(c.req.query('ms') ?? 3_000), longestSlowMs);
    await wait(delayMs, undefined, { signal: c.req.raw.signal }).catch(() => undefined);
    return c.html(slow);
  });
  // `/gone`, too, is answered so: it is simply not there.
  shop.notFound((c) => c.html(gone, 404));
  return shop;
}
