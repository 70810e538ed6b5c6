/** Tests which of several products is chosen as the page's own. */
import { describe, expect, it } from 'vitest';
import { extract, jsonLd, only } from './harness.ts';
import { body, expected, kettle, offer } from './kettle.ts';

describe('choosing the main product', () => {
  const stone = { '@type': 'Product', name: 'Sharpening Stone', sku: 'S-1', offers: { ...offer, price: 39 } };
  const related = '<section><h2>You may also like</h2><a href="/s">Sharpening Stone</a> <span>$39.00</span></section>';

  it('takes the main entity at any position', async () => {
    expect(
      await only({ head: jsonLd(stone) + jsonLd({ '@type': 'WebPage', mainEntity: kettle }), body: body + related }),
    ).toMatchObject(expected);
  });

  it('takes the product with the page’s URL or name', async () => {
    const own = { ...kettle, name: 'Kettle, enamelled', url: 'https://shop.test/p/kettle' };
    expect(await only({ head: jsonLd([stone, own]), body: body + related })).toMatchObject({
      name: 'Kettle, enamelled',
    });
    expect(await only({ head: jsonLd([stone, kettle]), body: related + body })).toMatchObject(expected);
    expect(
      await only({
        head: `<title>Enamel Kettle | Shop</title>${jsonLd([stone, kettle])}`,
        body: '<p>Enamel Kettle</p><p>$49.90</p>',
      }),
    ).toMatchObject(expected);
  });

  it('ignores related products, accessories and reviews', async () => {
    const head = jsonLd({
      ...kettle,
      isRelatedTo: [stone],
      isSimilarTo: { ...stone, name: 'Other' },
      review: { '@type': 'Review', itemReviewed: stone },
    });
    expect(await only({ head, body })).toMatchObject(expected);
  });

  it('ignores a carousel of other products', async () => {
    const carousel = {
      '@type': 'ItemList',
      itemListElement: [stone, { ...stone, name: 'Tea Towel' }].map((item, i) => ({
        '@type': 'ListItem',
        position: i + 1,
        item,
      })),
    };
    expect(await only({ head: jsonLd(carousel) + jsonLd(kettle), body: body + related })).toMatchObject(expected);
  });

  it('asks the model if the data describe only another product', async () => {
    const { products } = await extract({ head: jsonLd(stone), body: body + related }, () => ({ products: [] }));
    expect(products).toEqual([]);
  });
});

describe('lists', () => {
  const item = (name: string, price: number) => ({
    '@type': 'Product',
    name,
    url: `https://shop.test/${name.toLowerCase()}`,
    offers: { ...offer, price },
  });
  const cards = (...items: [string, string][]) =>
    `<h1>Seeds</h1>${items.map(([name, price]) => `<article><h3>${name}</h3><p>${price}</p></article>`).join('')}`;
  const shown = cards(['Basil', '$3.20'], ['Tomato', '$3.90'], ['Chili', '$4.50']);
  const three = [item('Basil', 3.2), item('Tomato', 3.9), item('Chili', 4.5)];

  it('returns all products of a list', async () => {
    const list = {
      '@type': 'ItemList',
      itemListElement: three.map((product, i) => ({ '@type': 'ListItem', position: i + 1, item: product })),
    };
    for (const head of [jsonLd(list), jsonLd(three), jsonLd({ '@type': 'CollectionPage', mainEntity: list })]) {
      const { products, asked } = await extract({ head, body: shown });
      expect(products.map(({ name, price, url }) => [name, price, url])).toEqual([
        ['Basil', 3.2, 'https://shop.test/basil'],
        ['Tomato', 3.9, 'https://shop.test/tomato'],
        ['Chili', 4.5, 'https://shop.test/chili'],
      ]);
      expect(asked).toBe(false);
    }
  });

  it('asks the model if one price in a list contradicts the page', async () => {
    const stale = cards(['Basil', '$3.20'], ['Tomato', '$2.90'], ['Chili', '$4.50']);
    const { products, asked } = await extract({ head: jsonLd(three), body: stale }, () => ({ products: [] }));
    expect(asked).toBe(true);
    expect(products.map(({ price }) => price)).toEqual([3.2, null, 4.5]);
  });

  it('ignores a list of URLs', async () => {
    const list = {
      '@type': 'ItemList',
      itemListElement: [{ '@type': 'ListItem', position: 1, url: 'https://shop.test/basil' }],
    };
    const { products, asked } = await extract({ head: jsonLd(list), body: shown }, () => ({ products: [] }));
    expect({ products, asked }).toEqual({ products: [], asked: true });
  });
});
