/** A product's facts in words, as answers read them and search finds them. */
import type { ProductFields } from './product.ts';

/** One fact a line, nothing that isn't known; the name is the title's to say. */
export function describeProduct(product: ProductFields): string {
  const { price, price_max: most, brand, sku, description } = product;
  const unit = product.currency ?? product.currency_label ?? '';
  const range = most !== null && most !== price ? ` to ${amount(most, unit)}` : '';
  const stock = { in_stock: 'Availability: in stock.', out_of_stock: 'Availability: out of stock.', unknown: '' };
  return [
    price === null ? '' : `Price of ${product.name}: ${amount(price, unit)}${range}`,
    stock[product.availability],
    brand === null ? '' : `Brand: ${brand}`,
    sku === null ? '' : `Item number: ${sku}`,
    description ?? '',
    `Page: ${product.url}`,
  ]
    .filter((line) => line !== '')
    .join('\n');
}

/** `129`, `49.90`: as prices are written, without inventing precision. */
const amount = (value: number, unit: string): string =>
  `${Number.isInteger(value) ? value : value.toFixed(Math.max(2, String(value).split('.')[1]?.length ?? 0))} ${unit}`.trim();
