/** A product as described by one source, before sources are compared with each other and with the page. */
import type { Availability } from '../product.ts';
import type { Decimal } from '../text/price.ts';

/** The kinds of structured data, the most reliable first. */
export const structuredSources = ['jsonld', 'microdata', 'rdfa', 'opengraph', 'app_state'] as const;
export type StructuredSource = (typeof structuredSources)[number];

export type FoundProduct = {
  name: string;
  price: Decimal | null;
  priceMax: Decimal | null;
  /** All its prices in the source, including variants. */
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
  /** Absolute URLs. */
  images: string[];
  /** Its own absolute URL. */
  url: string | null;
  /** True where the source declares it the page's main entity. */
  isMain: boolean;
  /** True where it is an element of an item list. */
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
