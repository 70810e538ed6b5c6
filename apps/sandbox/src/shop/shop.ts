/** A small lamp shop with pages of every kind that an extraction meets; nothing in it can be bought or changed. */
import { setTimeout as wait } from 'node:timers/promises';
import { Hono } from 'hono';
import { komorebiDocument, mahtabDocument, nordlichtDocument } from './foreign-pages.ts';
import { collectionDocument, homeDocument } from './home.ts';
import { lampPicture } from './images.ts';
import { driftDocument, haloDocument } from './late-pages.ts';
import { auroraDocument, beaconDocument, emberDocument, lumenDocument, tideDocument } from './structured-pages.ts';
import { challengeDocument, goneDocument, hiddenInstructionsDocument, slowDocument } from './trap-pages.ts';

const documents: Record<string, string | ((origin: string) => string)> = {
  '/': homeDocument,
  '/collections/lamps': collectionDocument,
  '/products/aurora-desk-lamp': auroraDocument,
  '/products/lumen-floor-lamp': lumenDocument,
  '/products/beacon-reading-light': beaconDocument,
  '/products/tide-pendant': tideDocument,
  '/products/ember-candle-holder': emberDocument,
  '/products/halo-wall-light': haloDocument,
  '/products/drift-lantern': driftDocument,
  '/products/hidden-instructions': hiddenInstructionsDocument,
  '/de/produkte/kronleuchter-nordlicht': nordlichtDocument,
  '/fa/products/mahtab': mahtabDocument,
  '/ja/products/komorebi': komorebiDocument,
};

/** The only places that `/redirect` goes to. The private ones are there to be refused. */
const redirects = new Map([
  ['aurora', '/products/aurora-desk-lamp'],
  ['chain', '/redirect?to=aurora'],
  ['loop', '/redirect?to=loop'],
  ['metadata', 'http://169.254.169.254/latest/meta-data/'],
  ['private', 'http://10.0.0.1/'],
  ['file', 'file:///etc/passwd'],
]);

const slowMs = 3_000;
const longestSlowMs = 60_000;

const robots = `User-agent: *
Allow: /
Disallow: /checkout
`;

export function createShop(): Hono {
  const shop = new Hono();

  for (const [path, document] of Object.entries(documents))
    shop.get(path, (c) => c.html(typeof document === 'string' ? document : document(new URL(c.req.url).origin)));

  shop.get('/images/:file{[a-z-]+\\.svg}', (c) =>
    c.body(lampPicture(c.req.param('file')), 200, { 'content-type': 'image/svg+xml' }),
  );
  shop.get('/robots.txt', (c) => c.text(robots));
  shop.get('/blocked', (c) => c.html(challengeDocument, 403));
  shop.get('/redirect', (c) => {
    const place = redirects.get(c.req.query('to') ?? '');
    return place === undefined ? c.html(goneDocument, 404) : c.redirect(place);
  });
  shop.get('/slow', async (c) => {
    const asked = Number(c.req.query('ms') ?? slowMs);
    const delayMs = Number.isFinite(asked) ? Math.min(Math.max(asked, 0), longestSlowMs) : slowMs;
    await wait(delayMs, undefined, { signal: c.req.raw.signal }).catch(() => undefined);
    return c.html(slowDocument);
  });
  // `/gone`, too, is answered so: it is simply not there.
  shop.notFound((c) => c.html(goneDocument, 404));
  return shop;
}
