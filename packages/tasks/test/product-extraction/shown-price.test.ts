/** Tests structured data against what the page shows. */
import { describe, expect, it } from 'vitest';
import { claim, extract, jsonLd, only } from './harness.ts';

const kettle = (price: number | string, priceCurrency = 'EUR') =>
  jsonLd({
    '@type': 'Product',
    name: 'Enamel Kettle',
    sku: 'K-1',
    image: '/k.jpg',
    offers: { price, priceCurrency, availability: 'InStock' },
  });
const page = (price: string, more = '') =>
  `<main><h1>Enamel Kettle</h1>${price}<button>Add to cart</button></main>${more}`;

describe('a price contradicted by the page', () => {
  it('is asked about while other data are kept', async () => {
    const answer = {
      products: [claim({ name: 'Enamel Kettle', price: 79, currency: 'EUR', availability: 'in_stock' })],
    };
    const { products, asked } = await extract({ head: kettle(99), body: page('<p>€79.00</p>') }, () => answer);
    expect(asked).toBe(true);
    expect(products).toMatchObject([
      {
        name: 'Enamel Kettle',
        price: 79,
        currency: 'EUR',
        sku: 'K-1',
        images: ['https://shop.test/k.jpg'],
        sources: { price: 'model', sku: 'jsonld' },
      },
    ]);
  });

  it('is dropped if the model gives no better one', async () => {
    const { products } = await extract({ head: kettle(99), body: page('<p>€79.00</p>') }, () => ({ products: [] }));
    expect(products).toMatchObject([{ name: 'Enamel Kettle', price: null, currency: null }]);
  });

  it.each([
    ['struck through', '<p><del>€99.00</del> <ins>€79.00</ins></p>'],
    ['struck through by style', '<p><span style="text-decoration:line-through">€99.00</span> €79.00</p>'],
    ['struck through by class', '<p><span class="price price--old">€99.00</span><span>€79.00</span></p>'],
    ['as a former price in words', '<p>Was €99.00, now €79.00</p>'],
    ['as an instalment', '<p>€79.00</p><p>or 3 payments of €99.00</p>'],
    ['as a price per kilo', '<p>€79.00</p><p>€99.00 / kg</p>'],
    ['of a related product', '<p>€79.00</p><h2>You may also like</h2><p>Pot €99.00</p>'],
    ['in the header', '<p>€79.00</p><header>Bag €99.00</header>'],
    ['as a free delivery threshold', '<p>€79.00</p><p>Free delivery over €99.00</p>'],
    ['as a saving', '<p>€79.00</p><p>You save €99.00</p>'],
    ['in another currency', '<p>$99.00</p>'],
  ])('is not confirmed by the same amount %s', async (_, shown) => {
    const { asked } = await extract({ head: kettle(99), body: page(shown) }, () => ({ products: [] }));
    expect(asked).toBe(true);
  });
});

describe('no contradiction', () => {
  it.each([
    ['a page that shows no price', page('<p>Ask us.</p>')],
    ['prices of other products only', page('', '<section><h2>Related products</h2><p>Pot €12.00</p></section>')],
    ['shipping costs only', page('<p>Delivery €4.95</p>')],
    [
      'the price among those of other sizes',
      page('<select><option>Small €79.00</option><option>Large €99.00</option></select>'),
    ],
    ['an instalment beside it', page('<p>€99.00</p><p>or 4 × €24.75</p>')],
    ['the price before the struck-through one', page('<p>€99.00 <s>€129.00</s></p>')],
    ['a price without decimals', page('<p>99 €</p>')],
    ['cents as a superscript', page('<p>€99<sup>00</sup></p>')],
    ['parts of the price in elements of their own', page('<p><span>€</span><span>99</span><span>.00</span></p>')],
    [
      'related products before the main one',
      `<section class="recommendations"><h2>Recommended</h2><p>Pot €12.00</p></section>${page('<p>€99.00</p>')}`,
    ],
    ['a voucher', page('<p>€99.00</p><p>Gift voucher €50.00</p>')],
  ])('is %s', async (_, body) => {
    expect(await only({ head: kettle(99), body })).toMatchObject({ price: 99 });
  });

  it('is a factor of ten between rial and toman', async () => {
    expect(
      await only({ lang: 'fa', head: kettle(18500000, 'IRR'), body: page('<p>۱٬۸۵۰٬۰۰۰ تومان</p>') }),
    ).toMatchObject({ price: 18500000, currency: 'IRR' });
  });

  it('is a dollar sign for any kind of dollar', async () => {
    expect(await only({ head: kettle(28, 'AUD'), body: page('<p>$28.00</p>') })).toMatchObject({
      price: 28,
      currency: 'AUD',
    });
  });

  it('is one of several currencies', async () => {
    expect(await only({ head: kettle(89), body: page('<p>€89.00 / £76.00 / $95.00</p>') })).toMatchObject({
      price: 89,
      currency: 'EUR',
    });
  });
});

it('recognizes related sections in all shop languages', async () => {
  const headings: [string, string][] = [
    ['de', 'Das könnte Ihnen auch gefallen'],
    ['de', 'Ähnliche Artikel'],
    ['de', 'Andere Verkäufer'],
    ['fr', 'Vous aimerez aussi'],
    ['fr', 'Produits similaires'],
    ['es', 'También te puede gustar'],
    ['it', 'Potrebbe interessarti anche'],
    ['pt', 'Quem viu também comprou'],
    ['nl', 'Anderen bekeken ook'],
    ['tr', 'Bunlar da ilginizi çekebilir'],
    ['fa', 'شاید این‌ها را هم بپسندید'],
    ['ar', 'منتجات ذات صلة'],
    ['ja', 'こちらもおすすめ'],
    ['nb', 'Andre kjøpte også'],
    ['en', 'Recently viewed'],
    ['en', 'Frequently bought together'],
  ];
  for (const [lang, heading] of headings) {
    const body = page('', `<div><h2>${heading}</h2></div><p>Pot 12,00 €</p>`);
    expect(await only({ lang, head: kettle(99), body }), heading).toMatchObject({ price: 99 });
  }
});

it('takes the currency from the page if the data have none', async () => {
  const head = jsonLd({ '@type': 'Product', name: 'Enamel Kettle', offers: { price: '99.00' } });
  expect(await only({ head, body: page('<p>€99.00</p>') })).toMatchObject({
    currency: 'EUR',
    sources: { currency: 'page' },
  });
});

it('reads a page nested 5,000 levels deep', async () => {
  const body = '<div>'.repeat(5000) + page('<p>€99.00</p>') + '</div>'.repeat(5000);
  expect(await only({ head: kettle(99), body })).toMatchObject({ price: 99 });
});

describe('availability', () => {
  it('is sold out if the page says only that', async () => {
    const body = '<main><h1>Enamel Kettle</h1><p>€99.00</p><p>Sold out</p></main>';
    expect(await only({ head: kettle(99), body })).toMatchObject({
      availability: 'out_of_stock',
      sources: { availability: 'page' },
    });
  });

  it('is unaffected by one sold-out size', async () => {
    const body = page('<p>€99.00</p><select><option>Large (sold out)</option></select>');
    expect(await only({ head: kettle(99), body })).toMatchObject({ availability: 'in_stock' });
  });
});

it('reads 200 products among thousands of lines in seconds', async () => {
  const things = Array.from({ length: 200 }, (_, i) => ({
    '@type': 'Product',
    name: `Thing number ${i}`,
    offers: { price: i + 1.5, priceCurrency: 'EUR' },
  }));
  const cards = things
    .map(({ name, offers }) => `<article><h3>${name}</h3><p>€${offers.price}0</p></article>`)
    .join('');
  const lines = '<p>Somebody paid 12.50 elsewhere and wrote about the weather at length.</p>'.repeat(3000);
  const startedAt = performance.now();
  const { products } = await extract({ head: jsonLd(things), body: `<h1>All</h1>${cards}${lines}` });
  expect(products).toHaveLength(200);
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});
