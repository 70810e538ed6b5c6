/** Describes a product's facts as text, for prompts and for search. */
import type { ProductFields } from './product.ts';

/** One known fact per line, without the name, which is the passage's title. */
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

/** Formats an amount as `129` or `49.90`, without adding precision. */
const amount = (value: number, unit: string): string =>
  `${Number.isInteger(value) ? value : value.toFixed(Math.max(2, String(value).split('.')[1]?.length ?? 0))} ${unit}`.trim();
