/** Merges structured data and the model's answer into products. */
import { surroundingsOf } from './page/page-images.ts';
import type { PageView } from './page/page-view.ts';
import type { ExtractedProduct } from './product.ts';
import type { FoundProduct } from './structured/found-product.ts';
import { type Draft, isComplete, type Sources, type Structured } from './structured/structured.ts';
import { namesAgree, sameName } from './text/names.ts';
import { toNumber } from './text/price.ts';

/** Completes drafts from the model's matching products; for a list, also adds products that only the model found. */
export function combine({ drafts, isList }: Structured, answered: FoundProduct[]): Draft[] {
  if (drafts.length === 0) return answered.map(fromModel);
  const used = new Set<FoundProduct>();
  const filled = drafts.map((draft) => {
    const match = findSame(draft.product.name, answered, used, !isList);
    if (match) used.add(match);
    return match ? fill(draft, match) : draft;
  });
  const added = isList ? answered.filter((product) => !used.has(product)).map(fromModel) : [];
  return [...filled, ...added];
}

function findSame(
  name: string,
  answered: FoundProduct[],
  used: Set<FoundProduct>,
  allowLoose: boolean,
): FoundProduct | undefined {
  const free = answered.filter((product) => !used.has(product));
  const close = free.find((product) => sameName(product.name, name));
  return close ?? (allowLoose ? free.find((product) => namesAgree(product.name, name)) : undefined);
}

function fromModel(product: FoundProduct): Draft {
  return fill(
    {
      product: {
        ...product,
        price: null,
        priceMax: null,
        currency: null,
        currencyLabel: null,
        availability: 'unknown',
        sku: null,
        brand: null,
        description: null,
      },
      sources: { name: 'model' },
    },
    product,
  );
}

/** Fills `draft`'s missing fields from `answer`. Price and currency are taken together, never one from each source. */
function fill(draft: Draft, answer: FoundProduct): Draft {
  const product = { ...draft.product };
  const sources: Sources = { ...draft.sources };
  if (!isComplete(draft) && answer.price !== null) {
    const { price, priceMax, prices, currency, currencyLabel } = answer;
    Object.assign(product, { price, priceMax, prices, currency, currencyLabel });
    sources.price = 'model';
    if (priceMax !== null) sources.price_max = 'model';
    if (currency !== null) sources.currency = 'model';
    if (currencyLabel !== null) sources.currency_label = 'page';
  }
  for (const field of ['sku', 'brand', 'description'] as const) {
    if (product[field] !== null || answer[field] === null) continue;
    product[field] = answer[field];
    sources[field] = 'model';
  }
  // If the structured price was stale, the page's visible text is also the better source for availability.
  const isStale = draft.product.price === null;
  if (answer.availability !== 'unknown' && (isStale || product.availability === 'unknown')) {
    product.availability = answer.availability;
    sources.availability = 'model';
  }
  return { product, sources };
}

/** Limits of one extraction: products, images, and characters per value. */
const maxProducts = 200;
const maxImages = 10;
const maxNameCharacters = 300;
const maxDescriptionCharacters = 5_000;
const maxCodeCharacters = 200;

/** Converts drafts to products: adds addresses and images, converts amounts to numbers, cuts values to their limits. */
export function finish(drafts: Draft[], isList: boolean, view: PageView): ExtractedProduct[] {
  const kept = drafts.slice(0, maxProducts);
  const { imagesNear, linkNear } = surroundingsOf(
    kept.map(({ product }) => product.name),
    view,
  );
  return kept.map(({ product, sources }) => {
    const ownUrl = isList ? (product.url ?? linkNear(product.name)) : null;
    const images = (product.images.length > 0 ? product.images : imagesNear(product.name)).slice(0, maxImages);
    return {
      name: cut(product.name, maxNameCharacters),
      price: product.price === null ? null : toNumber(product.price),
      price_max: product.priceMax === null ? null : toNumber(product.priceMax),
      currency: product.currency,
      currency_label: product.currencyLabel,
      availability: product.availability,
      sku: cut(product.sku, maxCodeCharacters),
      gtin: cut(product.gtin, maxCodeCharacters),
      mpn: cut(product.mpn, maxCodeCharacters),
      brand: cut(product.brand, maxCodeCharacters),
      description: cut(product.description, maxDescriptionCharacters),
      images,
      url: ownUrl ?? view.canonicalUrl,
      sources: withOwn(sources, product, images, ownUrl),
    };
  });
}

/** A text's first characters, without a lone surrogate at the end. */
const cut = <T extends string | null>(text: T, characters: number): T =>
  text === null || text.length <= characters ? text : (text.slice(0, characters).replace(/[\ud800-\udbff]$/, '') as T);

/** Adds `page` as the source of addresses and images that no structured data gave. */
function withOwn(sources: Sources, product: FoundProduct, images: string[], ownUrl: string | null): Sources {
  const url = ownUrl !== null && ownUrl === product.url ? (sources.url ?? 'page') : 'page';
  return { ...sources, url, ...(product.images.length === 0 && images.length > 0 ? { images: 'page' } : {}) };
}
