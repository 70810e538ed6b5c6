/** A product as one source of a page describes it, before sources are weighed against each other and the page. */
import type { Availability } from '../product.ts';
import type { Decimal } from '../text/price.ts';

/** The kinds of structured data, the most reliable first. */
export const structuredSources = ['jsonld', 'microdata', 'rdfa', 'opengraph', 'app_state'] as const;
export type StructuredSource = (typeof structuredSources)[number];

export type FoundProduct = {
  name: string;
  price: Decimal | null;
  priceMax: Decimal | null;
  /** All prices that the source names for it, of variants too. */
  prices: Decimal[];
  /** ISO 4217. */
  currency: string | null;
  currencyLabel: string | null;
  availability: Availability;
  sku: string | null;
  gtin: string | null;
  mpn: string | null;
  brand: string | null;
  description: string | null;
  /** Absolute addresses. */
  images: string[];
  /** Its own absolute address. */
  url: string | null;
  /** True where the source says that this is what the page is about. */
  isMain: boolean;
  isListed: boolean;
};

export const nothingFound: Omit<FoundProduct, 'name'> = {
  price: null,
  priceMax: null,
  prices: [],
  currency: null,
  currencyLabel: null,
  availability: 'unknown',
  sku: null,
  gtin: null,
  mpn: null,
  brand: null,
  description: null,
  images: [],
  url: null,
  isMain: false,
  isListed: false,
};
