/** Tests JSON-LD in the valid and invalid forms that shops write. */
import { describe, expect, it } from 'vitest';
import { extract, jsonLd, only } from './harness.ts';
import { body, expected, kettle, offer } from './kettle.ts';

describe('the form of the data', () => {
  it('reads a product from @graph and follows @id across blocks', async () => {
    const graph = {
      '@graph': [
        { '@type': 'WebPage', '@id': '#page', mainEntity: { '@id': '#product' } },
        {
          '@type': 'Product',
          '@id': '#product',
          name: 'Enamel Kettle',
          sku: 'K-1',
          brand: { '@id': '#brand' },
          offers: { '@id': '#offer' },
          image: { '@id': '#image' },
        },
        { '@type': 'Brand', '@id': '#brand', name: 'Harrow' },
        { '@type': 'ImageObject', '@id': '#image', contentUrl: '/img/kettle.jpg' },
      ],
    };
    const head = jsonLd(graph) + jsonLd({ ...offer, '@id': '#offer' });
    expect(await only({ head, body })).toMatchObject({
      ...expected,
      brand: 'Harrow',
      images: ['https://shop.test/img/kettle.jpg'],
    });
  });

  it('reads top-level arrays, arrays of types and prefixed keys', async () => {
    expect(
      await only({ head: jsonLd([{ '@type': 'Organization' }, { ...kettle, '@type': ['Product', 'Thing'] }]), body }),
    ).toMatchObject(expected);
    const prefixed = {
      '@type': 'https://schema.org/Product',
      'schema:name': 'Enamel Kettle',
      'schema:sku': 'K-1',
      'schema:offers': {
        '@type': 'schema:Offer',
        'schema:price': 49.9,
        'schema:priceCurrency': 'USD',
        'schema:availability': 'InStock',
      },
    };
    expect(await only({ head: jsonLd(prefixed), body })).toMatchObject(expected);
  });

  it('reads an offer that names its product', async () => {
    const page = {
      '@type': 'ItemPage',
      mainEntity: { ...offer, itemOffered: { '@type': 'Product', name: 'Enamel Kettle', sku: 'K-1' } },
    };
    expect(await only({ head: jsonLd(page), body })).toMatchObject(expected);
  });

  it('handles cyclic references', async () => {
    const circle = {
      '@graph': [
        { ...kettle, '@id': '#a', isVariantOf: { '@id': '#g' } },
        { '@type': 'ProductGroup', '@id': '#g', name: 'Enamel Kettle', hasVariant: [{ '@id': '#a' }] },
      ],
    };
    expect(await only({ head: jsonLd(circle), body })).toMatchObject({ name: 'Enamel Kettle', price: 49.9 });
  });
});

describe('invalid values', () => {
  it.each([
    {
      '@type': ['Product', null, 5],
      name: { '@value': ['a'] },
      offers: [null, 5, 'x', { price: { a: 1 } }, [[]]],
      image: [null, {}],
      isRelatedTo: [null, 5],
      hasVariant: [null, 'x', 3],
    },
    {
      '@id': '#a',
      '@type': 'Product',
      name: 'q',
      hasVariant: { '@id': '#a' },
      isVariantOf: { '@id': '#a' },
      offers: { '@id': '#a' },
      brand: { '@id': '#a' },
    },
    {
      '@graph': [
        { '@type': 'Product', name: 'q', image: { '@id': '#i' } },
        { '@id': '#i', contentUrl: { '@id': '#i' } },
      ],
    },
    { '@type': 'ItemList', itemListElement: [null, 'a', { item: null }] },
    [[[[{ '@type': 'Product' }]]]],
    null,
    'text',
    7,
  ])('in JSON-LD do not affect other blocks: %j', async (value) => {
    expect(await only({ head: jsonLd(value === 'text' ? '"text"' : value) + jsonLd(kettle), body })).toMatchObject(
      expected,
    );
  });
});

describe('broken JSON', () => {
  const json = JSON.stringify(kettle);
  it.each([
    ['HTML entities', json.replaceAll('"', '&quot;')],
    ['trailing commas', json.replace(/}/g, ',}')],
    ['a trailing semicolon', `${json};`],
    ['a CDATA section', `//<![CDATA[\n${json}\n//]]>`],
    ['a commented CDATA section', `/*<![CDATA[*/${json}/*]]>*/`],
    ['an HTML comment around it', `<!--\n${json}\n-->`],
    ['comments', json.replace('{', '{/* the product */')],
    ['line comments', json.replace('{', '{ // the product\n')],
    ['control characters in strings', json.replace('Enamel Kettle"', 'Enamel\nKettle"').replace('"K-1"', '"K-1\t"')],
    ['a byte order mark', `\ufeff${json}`],
  ])('reads a block with %s', async (_, text) => {
    expect(await only({ head: jsonLd(text), body })).toMatchObject(expected);
  });

  it('reads other blocks beside cut-off ones', async () => {
    const broken = jsonLd('{"@context":"https://schema.org","@type":"Organization","name":');
    expect(await only({ head: broken + jsonLd(kettle) + broken, body })).toMatchObject(expected);
  });

  it('takes no truncated price from a cut-off block', async () => {
    const cut = '{"@type":"Product","name":"Enamel Kettle","sku":"K-1","offers":{"priceCurrency":"USD","price":"4';
    const { products } = await extract({ head: jsonLd(cut), body: '<h1>Enamel Kettle</h1>' }, () => ({ products: [] }));
    expect(products).toMatchObject([{ name: 'Enamel Kettle', price: null }]);
  });

  it('decodes entities and drops tags in names', async () => {
    const head = jsonLd({
      ...kettle,
      name: 'Enamel &amp;amp; <b>Steel</b> Kettle &ndash; 1&nbsp;L',
      brand: 'Harrow &amp; Finch',
    });
    const product = await only({ head, body: '<h1>Enamel &amp; Steel Kettle – 1 L</h1><p>$49.90</p>' });
    expect(product).toMatchObject({ name: 'Enamel & Steel Kettle – 1 L', brand: 'Harrow & Finch' });
  });
});

describe('numbers and images', () => {
  it('keeps gtin, mpn and sku apart', async () => {
    const head = jsonLd({ ...kettle, sku: undefined, mpn: 'MP-1', gtin13: '4006381333931' });
    expect(await only({ head, body })).toMatchObject({ sku: null, mpn: 'MP-1', gtin: '4006381333931' });
  });

  it('makes image URLs absolute and names each value’s source', async () => {
    const head =
      jsonLd({ ...kettle, image: ['/a.jpg', { '@type': 'ImageObject', url: 'b.jpg' }] }) +
      '<link rel="canonical" href="/p/kettle?utm_source=x#top">';
    const product = await only({ head, body });
    expect(product).toMatchObject({
      images: ['https://shop.test/a.jpg', 'https://shop.test/p/b.jpg'],
      url: 'https://shop.test/p/kettle',
    });
    expect(product.sources).toEqual({
      name: 'jsonld',
      price: 'jsonld',
      currency: 'jsonld',
      availability: 'jsonld',
      sku: 'jsonld',
      images: 'jsonld',
      url: 'page',
    });
  });

  it('ignores a canonical URL on another host', async () => {
    const head = `${jsonLd(kettle)}<link rel="canonical" href="https://elsewhere.test/p">`;
    expect(await only({ head, body, url: 'https://shop.test/p/kettle?color=red&gclid=1' })).toMatchObject({
      url: 'https://shop.test/p/kettle?color=red',
    });
  });
});
