/** A product as extractions find it, owners correct it, and answers use it. */
import { z } from 'zod';

export const availabilities = ['in_stock', 'out_of_stock', 'unknown'] as const;
export type Availability = (typeof availabilities)[number];

/** Where a field's value was found; `owner` where somebody corrected it. */
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

/** What a product is; every field is null where the page doesn't say. Money is in major units (49.9 = 49.90). */
export const ProductFields = z.object({
  name: z.string(),
  /** The price, or the lowest of several. */
  price: z.number().nonnegative().nullable(),
  /** The highest of several prices. */
  price_max: z.number().nonnegative().nullable(),
  /** ISO 4217. Null where the page names no currency that has a code (Toman): see `currency_label`. */
  currency: z.string().nullable(),
  /** The page's own word for a currency without an ISO code. */
  currency_label: z.string().nullable(),
  availability: z.enum(availabilities),
  sku: z.string().nullable(),
  gtin: z.string().nullable(),
  mpn: z.string().nullable(),
  brand: z.string().nullable(),
  description: z.string().nullable(),
  /** Absolute addresses. */
  images: z.array(z.string()),
  /** The page's canonical address, or the product's own where a list names one. */
  url: z.string(),
});
export type ProductFields = z.infer<typeof ProductFields>;

/** A product as it was read from a page, and where each field that has a value came from. */
export const ExtractedProduct = ProductFields.extend({
  sources: z.record(z.string(), z.enum(fieldSources)),
});
export type ExtractedProduct = z.infer<typeof ExtractedProduct>;

/** A product as it is kept. */
export const StoredProduct = ExtractedProduct.extend({ id: z.uuid() });
export type StoredProduct = z.infer<typeof StoredProduct>;
