/** Tests microdata, RDFa, OpenGraph and inline state, alone and combined. */
import { describe, expect, it } from 'vitest';
import { extract, jsonLd, only } from './harness.ts';

describe('microdata', () => {
  it('does not mix in properties of nested items', async () => {
    const body = `<div itemscope itemtype="https://schema.org/Product"><h1 itemprop="name">Lampe « Atelier »</h1><meta itemprop="sku" content="L-7">
      <span itemprop="brand" itemscope itemtype="https://schema.org/Brand"><meta itemprop="name" content="Verrier &amp; Fils"></span>
      <img itemprop="image" src="/m/lampe.jpg"><div itemprop="offers" itemscope itemtype="https://schema.org/Offer">
      <span itemprop="price" content="89.90">89,90&nbsp;€</span><meta itemprop="priceCurrency" content="EUR"><link itemprop="availability" href="https://schema.org/LimitedAvailability"></div>
      <div itemprop="review" itemscope itemtype="https://schema.org/Review"><span itemprop="name">Très bien</span></div></div>`;
    expect(await only({ lang: 'fr', body })).toMatchObject({
      name: 'Lampe « Atelier »',
      price: 89.9,
      currency: 'EUR',
      availability: 'in_stock',
      sku: 'L-7',
      brand: 'Verrier & Fils',
      images: ['https://shop.test/m/lampe.jpg'],
      sources: { price: 'microdata' },
    });
  });

  it('reads localized prices; uses productID only without a sku', async () => {
    const body = `<div itemscope itemtype="http://schema.org/Product"><h2 itemprop="name">Bakır Cezve</h2><span itemprop="productID">BC-9</span>
      <div itemprop="offers" itemscope itemtype="http://schema.org/Offer"><span itemprop="price">2.499,90</span> <span itemprop="priceCurrency" content="TRY">TL</span></div></div>`;
    expect(await only({ lang: 'tr', body })).toMatchObject({ price: 2499.9, currency: 'TRY', sku: 'BC-9' });
  });

  it('follows itemref', async () => {
    const body = `<div itemscope itemtype="https://schema.org/Product" itemref="more"><h1 itemprop="name">Pan</h1></div>
      <div id="more"><div itemprop="offers" itemscope itemtype="https://schema.org/Offer"><b itemprop="price">12.00</b><meta itemprop="priceCurrency" content="EUR"></div></div>`;
    expect(await only({ body })).toMatchObject({ name: 'Pan', price: 12 });
  });

  it('skips related items and reads a grid as a list', async () => {
    const item = (
      name: string,
      price: string,
    ) => `<article itemscope itemtype="https://schema.org/Product"><h3 itemprop="name">${name}</h3>
      <p itemprop="offers" itemscope itemtype="https://schema.org/Offer"><span itemprop="price" content="${price}">$${price}</span><meta itemprop="priceCurrency" content="USD"></p></article>`;
    const related = `<section><h2>Customers also bought</h2>${item('Tea Strainer', '9.50')}</section>`;
    expect((await extract({ body: `${related}<h1>Pan</h1>${item('Pan', '12.00')}` })).products).toMatchObject([
      { name: 'Pan', price: 12 },
    ]);
    const grid = await extract({ body: `<h1>Kitchen</h1>${item('Pan', '12.00')}${item('Pot', '14.00')}${related}` });
    expect(grid.products.map(({ name, price }) => [name, price])).toEqual([
      ['Pan', 12],
      ['Pot', 14],
    ]);
  });
});

describe('RDFa', () => {
  it.each([
    ['with a vocabulary', 'vocab="https://schema.org/" typeof="Product"', ''],
    ['with prefixes', 'prefix="schema: https://schema.org/" typeof="schema:Product"', 'schema:'],
  ])('reads a product %s', async (_, root, prefix) => {
    const body = `<div ${root}><h1 property="${prefix}name">Copper Ladle</h1><img property="${prefix}image" src="/l.jpg"><span property="${prefix}sku">CL-2</span>
      <span property="${prefix}brand" typeof="${prefix}Brand"><span property="${prefix}name">Tinsmith</span></span>
      <div property="${prefix}offers" typeof="${prefix}Offer"><span property="${prefix}price" content="27.50">27,50</span> <span property="${prefix}priceCurrency" content="EUR">€</span>
      <link property="${prefix}availability" href="https://schema.org/SoldOut">Sold out</div></div>`;
    expect(await only({ body, head: '<meta property="og:title" content="Copper Ladle">' })).toMatchObject({
      name: 'Copper Ladle',
      price: 27.5,
      currency: 'EUR',
      availability: 'out_of_stock',
      sku: 'CL-2',
      brand: 'Tinsmith',
      images: ['https://shop.test/l.jpg'],
      sources: { name: 'rdfa' },
    });
  });
});

const meta = (properties: Record<string, string>): string =>
  Object.entries(properties)
    .map(([property, content]) => `<meta property="${property}" content="${content}">`)
    .join('');

describe('OpenGraph', () => {
  const og = {
    'og:type': 'product',
    'og:title': 'Nocturne – Soy Candle',
    'og:image': '/n.jpg',
    'product:price:amount': '28.00',
    'product:price:currency': 'CAD',
    'product:availability': 'in stock',
    'product:brand': 'Wickhouse',
    'product:retailer_item_id': 'W-1',
  };

  it('reads a product without other structured data', async () => {
    expect(await only({ head: meta(og), body: '<h1>Nocturne – Soy Candle</h1>' })).toMatchObject({
      name: 'Nocturne – Soy Candle',
      price: 28,
      currency: 'CAD',
      availability: 'in_stock',
      sku: 'W-1',
      brand: 'Wickhouse',
      images: ['https://shop.test/n.jpg'],
      sources: { sku: 'opengraph' },
    });
  });

  it('removes the shop’s name from the title', async () => {
    const head = meta({ ...og, 'og:title': 'Pan | Pots & Co', 'og:site_name': 'Pots & Co' });
    expect(await only({ head, body: '<h1>Pan</h1>' })).toMatchObject({ name: 'Pan' });
  });

  it('yields no product for an article', async () => {
    const head = meta({ 'og:type': 'article', 'og:title': 'How we test pans', 'og:image': '/a.jpg' });
    expect(await extract({ head, body: '<h1>How we test pans</h1><p>We boil water.</p>' })).toMatchObject({
      products: [],
      asked: false,
    });
  });

  it('completes JSON-LD for the same product only', async () => {
    const head =
      jsonLd({ '@type': 'Product', name: 'Soy Candle Nocturne', offers: { price: 28, priceCurrency: 'CAD' } }) +
      meta(og);
    const product = await only({ head, body: '<h1>Nocturne – Soy Candle</h1>' });
    expect(product).toMatchObject({
      sku: 'W-1',
      availability: 'in_stock',
      sources: { name: 'jsonld', price: 'jsonld', sku: 'opengraph', availability: 'opengraph' },
    });
  });

  it('supplies the price if the page contradicts JSON-LD', async () => {
    const head =
      jsonLd({
        '@type': 'Product',
        name: 'Nocturne – Soy Candle',
        sku: 'X',
        offers: { price: 35, priceCurrency: 'CAD' },
      }) + meta(og);
    expect(await only({ head, body: '<h1>Nocturne – Soy Candle</h1><p>CA$28.00</p>' })).toMatchObject({
      price: 28,
      sku: 'X',
      sources: { price: 'opengraph', sku: 'jsonld' },
    });
  });
});

describe('inline state', () => {
  const body = '<main><h1>Trail Runner 3</h1><p>129,95 €</p></main>';
  const state = {
    props: {
      pageProps: {
        menu: [{ name: 'Sale', price: 1 }],
        product: {
          id: 9,
          name: 'Trail Runner 3',
          sku: 'TR3',
          brand: { name: 'Fjellis' },
          images: ['/t.jpg'],
          inStock: true,
          price: { value: 129.95, currency: 'EUR', old: 149.95 },
        },
        related: [{ name: 'Socks', price: { value: 12, currency: 'EUR' } }],
      },
    },
  };
  const next = (value: unknown) =>
    `<script id="__NEXT_DATA__" type="application/json">${JSON.stringify(value)}</script>`;
  const expected = {
    name: 'Trail Runner 3',
    price: 129.95,
    currency: 'EUR',
    availability: 'in_stock',
    sku: 'TR3',
    brand: 'Fjellis',
    images: ['https://shop.test/t.jpg'],
    sources: { price: 'app_state' },
  };

  it('reads a product with its name and price on the page', async () => {
    expect(await only({ lang: 'de', body: body + next(state) })).toMatchObject(expected);
  });

  it.each([
    ['window.__STATE__ = ', ';'],
    ['var state=', ';'],
    ['self.data.push(', ')'],
  ])('reads an assignment: %s…%s', async (before, after) => {
    const script = `<script>console.log("x");${before}${JSON.stringify(state)}${after}start();</script>`;
    expect(await only({ lang: 'de', body: body + script })).toMatchObject(expected);
  });

  it('uses the scale shown on the page', async () => {
    const cents = { product: { title: 'Trail Runner 3', priceCents: 12995, currencyCode: 'EUR' } };
    expect(await only({ lang: 'de', body: body + next(cents) })).toMatchObject({ price: 129.95, currency: 'EUR' });
    const whole = { product: { title: 'Trail Runner 3', price: 12995, currency: 'JPY' } };
    expect(await only({ lang: 'ja', body: `<h1>Trail Runner 3</h1><p>¥12,995</p>${next(whole)}` })).toMatchObject({
      price: 12995,
      currency: 'JPY',
    });
  });

  it('takes no price that is not on the page', async () => {
    const hidden = { product: { name: 'Trail Runner 3', price: 99.95, currency: 'EUR' } };
    const { asked } = await extract({ lang: 'de', body: body + next(hidden) }, () => ({ products: [] }));
    expect(asked).toBe(true);
  });
});
