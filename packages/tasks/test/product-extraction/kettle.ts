/** Fixture: a page about a kettle with its JSON-LD. */

export const body = '<main><h1>Enamel Kettle</h1><p>$49.90</p><p>In stock</p></main>';
export const offer = {
  '@type': 'Offer',
  price: '49.90',
  priceCurrency: 'USD',
  availability: 'https://schema.org/InStock',
};
export const kettle = {
  '@context': 'https://schema.org',
  '@type': 'Product',
  name: 'Enamel Kettle',
  sku: 'K-1',
  offers: offer,
};
export const expected = { name: 'Enamel Kettle', price: 49.9, currency: 'USD', availability: 'in_stock', sku: 'K-1' };
