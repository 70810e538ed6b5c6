/** Tests pricing: offers, their prices, and variants. */
import { describe, expect, it } from 'vitest';
import { jsonLd, only } from './harness.ts';
import { body, expected, kettle, offer } from './kettle.ts';

describe('offers', () => {
  const withOffers = (offers: unknown, shown = body) => only({ head: jsonLd({ ...kettle, offers }), body: shown });

  it('takes the low price of a range and keeps the high one', async () => {
    const offers = {
      '@type': 'AggregateOffer',
      lowPrice: '24.00',
      highPrice: 39,
      priceCurrency: 'GBP',
      availability: 'InStock',
    };
    expect(await withOffers(offers, '<h1>Enamel Kettle</h1>')).toMatchObject({
      price: 24,
      price_max: 39,
      currency: 'GBP',
      availability: 'in_stock',
    });
    expect(await withOffers({ ...offers, highPrice: 24 }, '<h1>Enamel Kettle</h1>')).toMatchObject({
      price: 24,
      price_max: null,
    });
  });

  it('reads a range from nested offers without a low price', async () => {
    const offers = {
      '@type': 'AggregateOffer',
      priceCurrency: 'GBP',
      offers: [
        { price: 30, sku: 'a' },
        { price: 24, sku: 'b', availability: 'InStock' },
      ],
    };
    expect(await withOffers(offers, '<h1>Enamel Kettle</h1>')).toMatchObject({
      price: 24,
      price_max: 30,
      currency: 'GBP',
      availability: 'in_stock',
    });
  });

  it('skips list, unit, instalment and delivery specifications', async () => {
    const priceSpecification = [
      {
        '@type': 'UnitPriceSpecification',
        priceType: 'https://schema.org/StrikethroughPrice',
        price: 69.9,
        priceCurrency: 'USD',
      },
      {
        '@type': 'UnitPriceSpecification',
        priceType: 'https://schema.org/ListPrice',
        price: 79.9,
        priceCurrency: 'USD',
      },
      {
        '@type': 'UnitPriceSpecification',
        price: 37,
        priceCurrency: 'USD',
        referenceQuantity: { '@type': 'QuantitativeValue', value: 1, unitCode: 'KGM' },
      },
      { '@type': 'UnitPriceSpecification', price: 12.48, priceCurrency: 'USD', billingDuration: 4 },
      { '@type': 'DeliveryChargeSpecification', price: 5.9, priceCurrency: 'USD' },
      { '@type': 'UnitPriceSpecification', price: 49.9, priceCurrency: 'USD' },
    ];
    expect(await withOffers({ '@type': 'Offer', priceSpecification, availability: 'InStock' })).toMatchObject(expected);
  });

  it('prefers new offers, and among them the shown price', async () => {
    const seller = (name: string) => ({ '@type': 'Organization', name });
    const offers = [
      { ...offer, price: 29, itemCondition: 'https://schema.org/UsedCondition', seller: seller('C') },
      { ...offer, price: 45, itemCondition: 'https://schema.org/NewCondition', seller: seller('B') },
      { ...offer, price: 49.9, itemCondition: 'https://schema.org/NewCondition', seller: seller('A') },
      { ...offer, price: 33, itemCondition: 'RefurbishedCondition', seller: seller('D') },
    ];
    expect(await withOffers(offers)).toMatchObject({ price: 49.9, price_max: null });
    expect(await withOffers(offers, '<h1>Enamel Kettle</h1>')).toMatchObject({ price: 45 });
    expect(await withOffers([offers[0]], '<h1>Enamel Kettle</h1>')).toMatchObject({ price: 29 });
  });

  it('takes the offer in the currency shown', async () => {
    const offers = [
      { ...offer, price: 54, priceCurrency: 'EUR' },
      offer,
      { ...offer, price: 41, priceCurrency: 'GBP' },
    ];
    expect(await withOffers(offers)).toMatchObject({ price: 49.9, currency: 'USD', price_max: null });
  });

  it.each([
    ['12,800', 'JPY', '¥12,800', 12800],
    ['1.234,56', 'EUR', '1.234,56 €', 1234.56],
    ['49,90', 'EUR', '49,90 €', 49.9],
    ['€ 49.90', 'EUR', '€49.90', 49.9],
    ["1'299.00", 'CHF', 'CHF 1’299.–', 1299],
    ['1,23,456.00', 'INR', '₹1,23,456', 123456],
    ['۱۲۳۴۵', 'IRR', '', 12345],
    [1299.5, 'EUR', '', 1299.5],
  ])('reads the price %s %s', async (price, priceCurrency, shown, number) => {
    expect(await withOffers({ price, priceCurrency }, `<h1>Enamel Kettle</h1><p>${shown}</p>`)).toMatchObject({
      price: number,
      currency: priceCurrency,
    });
  });

  it.each([
    ['https://schema.org/InStock', 'in_stock'],
    ['http://schema.org/LimitedAvailability', 'in_stock'],
    ['OnlineOnly', 'in_stock'],
    ['InStoreOnly', 'in_stock'],
    ['in stock', 'in_stock'],
    ['instock', 'in_stock'],
    ['https://schema.org/OutOfStock', 'out_of_stock'],
    ['SoldOut', 'out_of_stock'],
    ['out of stock', 'out_of_stock'],
    ['https://schema.org/Discontinued', 'out_of_stock'],
    ['https://schema.org/PreOrder', 'unknown'],
    ['preorder', 'unknown'],
    ['BackOrder', 'unknown'],
    ['MadeToOrder', 'unknown'],
    [undefined, 'unknown'],
  ])('reads the availability %s as %s', async (availability, meaning) => {
    expect(await withOffers({ ...offer, availability }, '<h1>Enamel Kettle</h1>')).toMatchObject({
      availability: meaning,
    });
  });
});

describe('groups', () => {
  const variant = (sku: string, price: number, availability: string) => ({
    '@type': 'Product',
    '@id': `#${sku}`,
    name: `Enamel Kettle, ${sku}`,
    sku,
    offers: { ...offer, price, availability },
  });
  const variants = [
    variant('red', 59, 'OutOfStock'),
    variant('blue', 49.9, 'OutOfStock'),
    variant('green', 55, 'InStock'),
  ];
  const one = { name: 'Enamel Kettle', price: 49.9, price_max: 59, currency: 'USD', availability: 'in_stock' };
  const group = {
    '@type': 'ProductGroup',
    '@id': '#group',
    name: 'Enamel Kettle',
    productGroupID: 'KG',
    brand: 'Harrow',
  };

  it('merges a group and its variants', async () => {
    expect(await only({ head: jsonLd({ ...group, hasVariant: variants }), body })).toMatchObject({
      ...one,
      brand: 'Harrow',
    });
  });

  it('merges variants that name their group', async () => {
    const nested = variants.map((item) => ({ ...item, isVariantOf: group }));
    expect(await only({ head: jsonLd(nested), body })).toMatchObject(one);
    const referring = variants.map((item) => ({ ...item, isVariantOf: { '@id': '#group' } }));
    expect(await only({ head: jsonLd({ '@graph': [...referring, group] }), body })).toMatchObject(one);
  });

  it('counts variants in both graph and group once', async () => {
    const head = jsonLd({
      '@graph': [...variants, { ...group, hasVariant: variants.map((item) => ({ '@id': item['@id'] })) }],
    });
    expect(await only({ head, body })).toMatchObject(one);
  });

  it('combines the variants’ availability and prices', async () => {
    const sold = [variant('a', 20, 'SoldOut'), variant('b', 20, 'OutOfStock')];
    expect(await only({ head: jsonLd({ ...group, hasVariant: sold }), body: '<h1>Enamel Kettle</h1>' })).toMatchObject({
      price: 20,
      price_max: null,
      availability: 'out_of_stock',
    });
  });

  it('accepts another variant’s price on the page', async () => {
    expect(
      await only({ head: jsonLd({ ...group, hasVariant: variants }), body: '<h1>Enamel Kettle</h1><p>$55.00</p>' }),
    ).toMatchObject(one);
  });
});
