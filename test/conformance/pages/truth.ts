/** Schema of the expected products of pages, and their comparison with actual ones. */
import { z } from 'zod';

const Product = z.looseObject({
  name: z.string(),
  price: z.number().nullish(),
  currency: z.string().nullish(),
  availability: z.string().nullish(),
  sku: z.string().nullish(),
  brand: z.string().nullish(),
  images: z.array(z.string()).optional(),
});
export type TrueProduct = z.infer<typeof Product>;

const Page = z.looseObject({
  file: z.string(),
  url: z.string(),
  http_status: z.int().default(200),
  obtainable: z.enum(['structured', 'structured_tolerant', 'model', 'none']),
  products: z.array(Product),
  alternatives: z.array(z.record(z.string(), z.unknown())).default([]),
});
export type TruePage = z.infer<typeof Page>;

export const Truth = z.looseObject({ pages: z.array(Page) });

/** Fields that are compared where the expected product has them. */
const compared = ['price', 'currency', 'availability', 'sku', 'brand', 'price_max', 'gtin', 'mpn', 'currency_label'];

const normal = (text: unknown): unknown =>
  typeof text === 'string' ? text.normalize('NFKC').replace(/\s+/g, ' ').trim() : (text ?? null);

/** The differences from the expected products; empty where they match. An alternative's value also matches. */
export function differences(page: TruePage, products: Record<string, unknown>[]): string[] {
  const others = page.alternatives.find(({ products: list }) => Array.isArray(list));
  if (
    others !== undefined &&
    compare({ ...page, alternatives: [], products: z.array(Product).parse(others.products) }, products).length === 0
  )
    return [];
  return compare(page, products);
}

function compare(page: TruePage, products: Record<string, unknown>[]): string[] {
  const names = products.map((product) => normal(product.name));
  const wrong = names
    .filter((name) => !page.products.some((wanted) => isName(page, wanted, name)))
    .map((name) => `${name} is not a product of this page`);
  for (const wanted of page.products) {
    const i = names.findIndex((name) => isName(page, wanted, name));
    const product = products[i];
    if (product === undefined) wrong.push(`${wanted.name} is missing`);
    else wrong.push(...fieldDifferences(page, wanted, product));
  }
  return wrong;
}

const isName = (page: TruePage, wanted: TrueProduct, name: unknown): boolean =>
  [wanted.name, ...page.alternatives.map((alternative) => alternative.name)].some(
    (one) => one !== undefined && normal(one) === name,
  );

function fieldDifferences(page: TruePage, wanted: TrueProduct, product: Record<string, unknown>): string[] {
  const wrong = compared
    .filter((field) => wanted[field] !== undefined)
    .filter((field) => {
      const allowed = [wanted[field], ...page.alternatives.flatMap((other) => (field in other ? [other[field]] : []))];
      return !allowed.some((value) => normal(value) === normal(product[field]));
    })
    .map(
      (field) =>
        `${wanted.name}: ${field} is ${JSON.stringify(product[field] ?? null)},` +
        ` expected ${JSON.stringify(wanted[field])}`,
    );
  const images = new Set(Array.isArray(product.images) ? product.images : []);
  const missing = (wanted.images ?? []).filter((image) => !images.has(image));
  return [...wrong, ...missing.map((image) => `${wanted.name}: the image ${image} is missing`)];
}
