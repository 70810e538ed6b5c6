/** The demo account's products. */
import type { ProductRow } from '@tally/db';

const lamp = {
  price_max: null,
  currency: 'EUR',
  currency_label: null,
  availability: 'in_stock',
  gtin: null,
  mpn: null,
  brand: 'Lumière & Oak',
  images: [],
  sources: {},
} as const satisfies Partial<ProductRow>;

export const demoProducts: ProductRow[] = [
  {
    ...lamp,
    images: [],
    name: 'Aurora desk lamp',
    price: 129,
    sku: 'LO-AUR',
    description: 'A dimmable desk lamp of brushed aluminium with a replaceable LED, in sage, sand and black.',
    url: 'https://lumiere-oak.example/products/aurora-desk-lamp',
  },
  {
    ...lamp,
    images: [],
    name: 'Lumen floor lamp',
    price: 249,
    sku: 'LO-LUM',
    description: 'A floor lamp of 165 cm with a shade of woven linen and an oak foot.',
    url: 'https://lumiere-oak.example/products/lumen-floor-lamp',
  },
];
