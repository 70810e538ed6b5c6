/** Schemas of products: extracted, corrected by owners, and used in answers. */
import { z } from 'zod';

export const availabilities = ['in_stock', 'out_of_stock', 'unknown'] as const;
export type Availability = (typeof availabilities)[number];

/** The source of a field's value; `owner` for a correction. */
export const fieldSources = [
  'jsonld',
  'microdata',
  'rdfa',
  'opengraph',
  'app_state',
  'page',
  'model',
  'owner',
] as const;
export type FieldSource = (typeof fieldSources)[number];

/** A product's fields; null where the page doesn't say. Amounts are in major units (49.9 = 49.90). */
export const ProductFields = z.object({
  name: z.string(),
  /** The price, or the lowest of several. */
  price: z.number().nonnegative().nullable(),
  /** The highest of several prices. */
  price_max: z.number().nonnegative().nullable(),
  /** ISO 4217. Null where the page names no currency with a code (such as toman): see `currency_label`. */
  currency: z.string().nullable(),
  /** The page's text for a currency without an ISO code. */
  currency_label: z.string().nullable(),
  availability: z.enum(availabilities),
  sku: z.string().nullable(),
  gtin: z.string().nullable(),
  mpn: z.string().nullable(),
  brand: z.string().nullable(),
  description: z.string().nullable(),
  /** Absolute URLs. */
  images: z.array(z.string()),
  /** The page's canonical URL, or in a list the product's own. */
  url: z.string(),
});
export type ProductFields = z.infer<typeof ProductFields>;

/** A product as extracted from a page, with the source of each non-empty field. */
export const ExtractedProduct = ProductFields.extend({
  sources: z.record(z.string(), z.enum(fieldSources)),
});
export type ExtractedProduct = z.infer<typeof ExtractedProduct>;

/** A stored product. */
export const StoredProduct = ExtractedProduct.extend({ id: z.uuid() });
export type StoredProduct = z.infer<typeof StoredProduct>;
