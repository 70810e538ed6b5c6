/** Product pages that state their facts for machines: JSON-LD, microdata, OpenGraph, groups and ranges. */
import { aroundProduct, jsonLd, productBlock, shopDocument } from './layout.ts';

const brand = { '@type': 'Brand', name: 'Lumière & Oak' };
const button = '<button type="button">Add to basket</button>';

/** `origin` is the shop's own address: images are stated absolutely. */
export const auroraDocument = (origin: string): string =>
  shopDocument({
    title: 'Aurora desk lamp',
    head: `<link rel="canonical" href="${origin}/products/aurora-desk-lamp">
${jsonLd({
  '@context': 'https://schema.org',
  '@type': 'Product',
  name: 'Aurora desk lamp',
  description: 'A dimmable desk lamp of brushed aluminium with a warm white LED of 9 watts (2700 K, 800 lumen).',
  image: [`${origin}/images/aurora.svg`, `${origin}/images/aurora-side.svg`],
  sku: 'LO-AUR-01',
  gtin13: '5601234567893',
  brand,
  aggregateRating: { '@type': 'AggregateRating', ratingValue: '4.8', reviewCount: '61' },
  offers: {
    '@type': 'Offer',
    price: '129.00',
    priceCurrency: 'EUR',
    availability: 'https://schema.org/InStock',
    url: `${origin}/products/aurora-desk-lamp`,
  },
})}`,
    body: `${productBlock({
      name: 'Aurora desk lamp',
      image: 'aurora',
      facts: `<h1>Aurora desk lamp</h1>
<p class="price">129.00 EUR</p><p class="stock">In stock, leaves our workshop today</p>
<p>A dimmable desk lamp of brushed aluminium with a warm white LED of 9 watts (2700 K, 800 lumen). The arm reaches 62 cm;
the base weighs 1.4 kg. It comes in sage, sand and black.</p>
<p>The LED module can be replaced without tools and is rated for 25,000 hours. 5 years of guarantee.</p>
<p class="soft">SKU: LO-AUR-01</p>${button}`,
    })}
${aroundProduct(
  'en',
  [
    { stars: 5, text: 'Worth more than the 200 EUR lamp it replaced.', author: 'Inês' },
    { stars: 4, text: 'The arm could be longer, the light could not be nicer.', author: 'Tom' },
  ],
  [
    ['/products/lumen-floor-lamp', 'Lumen floor lamp', '249.00 EUR'],
    ['/products/led-module', 'Spare LED module', '24.00 EUR'],
  ],
)}`,
  });

export const lumenDocument = shopDocument({
  title: 'Lumen floor lamp',
  body: `<div itemscope itemtype="https://schema.org/Product">
${productBlock({
  name: 'Lumen floor lamp',
  image: 'lumen',
  facts: `<h1 itemprop="name">Lumen floor lamp</h1>
<meta itemprop="sku" content="LO-LUM-02"><meta itemprop="image" content="/images/lumen.svg">
<span itemprop="brand" itemscope itemtype="https://schema.org/Brand"><meta itemprop="name" content="Lumière &amp; Oak"></span>
<div itemprop="offers" itemscope itemtype="https://schema.org/Offer">
<p class="price"><span itemprop="price" content="249.00">249</span> <span itemprop="priceCurrency" content="EUR">€</span></p>
<p class="stock"><link itemprop="availability" href="https://schema.org/InStock">In stock</p></div>
<p itemprop="description">A floor lamp of 165 cm with a shade of woven linen and an oak foot.</p>
<p>It takes one E27 bulb of up to 15 watts, which is not included. The switch is on the cable. 2 years of guarantee.</p>
<p class="soft">Item no. LO-LUM-02</p>${button}`,
})}
<div itemprop="review" itemscope itemtype="https://schema.org/Review"><span itemprop="name">Warm and quiet</span>:
<span itemprop="reviewBody">The linen makes the whole room softer.</span></div>
</div>
${aroundProduct('en', [], [['/products/e27-bulb', 'E27 bulb, 9 watts', '8.50 EUR']])}`,
});

export const beaconDocument = (origin: string): string =>
  shopDocument({
    title: 'Beacon reading light',
    head: `<meta property="og:type" content="product">
<meta property="og:title" content="Beacon reading light">
<meta property="og:description" content="A small clip-on light for those who read late. Runs 40 hours on one charge.">
<meta property="og:image" content="${origin}/images/beacon.svg">
<meta property="product:price:amount" content="59.90">
<meta property="product:price:currency" content="EUR">
<meta property="product:availability" content="in stock">
<meta property="product:brand" content="Lumière &amp; Oak">
<meta property="product:retailer_item_id" content="LO-BEA-03">`,
    body: `${productBlock({
      name: 'Beacon reading light',
      image: 'beacon',
      facts: `<h1>Beacon reading light</h1>
<p class="price">€59.90</p><p>A small clip-on light for those who read late. Runs 40 hours on one charge.</p>${button}`,
    })}
${aroundProduct('en', [{ stars: 5, text: 'My evenings are saved.', author: 'Ruth' }], [['/products/aurora-desk-lamp', 'Aurora desk lamp', '129.00 EUR']])}`,
  });

const tideSizes = [
  { size: '30 cm', sku: 'LO-TID-30', price: '119.00', availability: 'InStock' },
  { size: '45 cm', sku: 'LO-TID-45', price: '159.00', availability: 'InStock' },
  { size: '60 cm', sku: 'LO-TID-60', price: '219.00', availability: 'OutOfStock' },
];

export const tideDocument = (origin: string): string =>
  shopDocument({
    title: 'Tide pendant',
    head: jsonLd({
      '@context': 'https://schema.org',
      '@graph': [
        { '@type': 'Organization', name: 'Lumière & Oak', url: origin },
        {
          '@type': 'ProductGroup',
          name: 'Tide pendant',
          productGroupID: 'LO-TID',
          description: 'A pendant of bent ash, in three sizes.',
          image: `${origin}/images/tide.svg`,
          brand,
          variesBy: ['https://schema.org/size'],
          hasVariant: tideSizes.map(({ size, sku, price, availability }) => ({
            '@type': 'Product',
            name: `Tide pendant, ${size}`,
            size,
            sku,
            offers: {
              '@type': 'Offer',
              price,
              priceCurrency: 'EUR',
              availability: `https://schema.org/${availability}`,
            },
          })),
        },
      ],
    }),
    body: `${productBlock({
      name: 'Tide pendant',
      image: 'tide',
      facts: `<h1>Tide pendant</h1><p class="price">from 119.00 EUR</p>
<p>A pendant of bent ash, in three sizes.</p>
<select>${tideSizes.map(({ size, price }) => `<option>${size} – ${price} EUR`).join('')}</select>${button}`,
    })}
${aroundProduct('en', [], [['/products/halo-wall-light', 'Halo wall light', '89.50 EUR']])}`,
  });

export const emberDocument = (origin: string): string =>
  shopDocument({
    title: 'Ember candle holder',
    head: jsonLd([
      { '@context': 'https://schema.org', '@type': 'BreadcrumbList', itemListElement: [] },
      {
        '@context': 'https://schema.org',
        '@type': ['Product', 'IndividualProduct'],
        name: 'Ember candle holder',
        image: `${origin}/images/ember.svg`,
        mpn: 'EMB-5',
        brand: 'Lumière & Oak',
        offers: {
          '@type': 'AggregateOffer',
          lowPrice: 34,
          highPrice: 52.5,
          priceCurrency: 'EUR',
          offerCount: 3,
          availability: 'http://schema.org/LimitedAvailability',
        },
      },
    ]),
    body: `${productBlock({
      name: 'Ember candle holder',
      image: 'ember',
      facts: `<h1>Ember candle holder</h1><p class="price">€34.00 – €52.50</p>
<p class="stock">Only a few left</p><p>Turned oak with a cup of brass. Sold by us and two friends of ours.</p>`,
    })}
${aroundProduct('en', [], [['/products/candles', 'Six beeswax candles', '14.00 EUR']])}`,
  });
