/** Reads all structured data of a page, compares them with what it shows, and drafts its products. */
import type { CheerioAPI } from 'cheerio';
import { type PageView, placeOf } from '../page/page-view.ts';
import { compareWithShown, shownPrices, showsSoldOut } from '../page/shown-prices.ts';
import type { FieldSource, ProductFields } from '../product.ts';
import type { Money } from '../text/money.ts';
import { namesAgree, wordsOf } from '../text/names.ts';
import { readAppState } from './app-state.ts';
import { agreesWithTopic, type Choice, choose } from './choose.ts';
import { type FoundProduct, type StructuredSource, structuredSources } from './found-product.ts';
import { parseTolerant } from './json.ts';
import { indexNodes, withBareKeys } from './linked-data.ts';
import { microdata, rdfa, readMarkup } from './markup.ts';
import { readOpenGraph } from './opengraph.ts';
import { readProducts, type ShownFor } from './product-node.ts';

export type Sources = Partial<Record<keyof ProductFields, FieldSource>>;

/** An incomplete product with the sources of its fields, without prices that the page contradicts. */
export type Draft = { product: FoundProduct; sources: Sources };

export type Structured = { drafts: Draft[]; isList: boolean };

/** A source's products, indexed by the letters of their names. */
type SourceChoice = Choice & { source: StructuredSource; byName: Map<string, FoundProduct[]> };

const fields = ['sku', 'gtin', 'mpn', 'brand', 'description', 'images', 'availability', 'url'] as const;

/** Drafts of the page's own product or products, from its structured data. */
export function readStructured(view: PageView): Structured {
  const shownFor: ShownFor = (name) => shownPrices(nameOnPage(name, view), view);
  const found = readSources(view, shownFor);
  const choices = structuredSources.map((source) => {
    const choice = choose(found[source], view);
    return { source, ...choice, byName: Map.groupBy(choice.products, ({ name }) => wordsOf(name).join('')) };
  });
  const first = choices.find(({ products }) => products.length > 0);
  if (first === undefined) return { drafts: [], isList: false };
  const names = first.products.map(({ name }) => name);
  const drafts = first.products.map((product) => {
    const shown = first.isList ? shownPrices(product.name, view, names) : shownFor(product.name);
    const draft = draftOf(first.source, product, choices, shown);
    if (draft.product.availability === 'in_stock' && showsSoldOut(product.name, view, first.isList ? names : [])) {
      draft.product.availability = 'out_of_stock';
      draft.sources.availability = 'page';
    }
    return draft;
  });
  return { drafts, isList: first.isList };
}

/** Whether a draft has a price and a currency, so that no model call is needed. */
export const isComplete = ({ product }: Draft): boolean =>
  product.price !== null && (product.currency !== null || product.currencyLabel !== null);

function readSources(view: PageView, shownFor: ShownFor): Record<StructuredSource, FoundProduct[]> {
  const read = (roots: unknown[]): FoundProduct[] =>
    readProducts(roots, { index: indexNodes(roots), url: view.url, language: view.language }, shownFor);
  return {
    jsonld: read(readJsonLd(view.$)),
    microdata: read(readMarkup(view, microdata)),
    rdfa: read(readMarkup(view, rdfa)),
    opengraph: readOpenGraph(view),
    app_state: readAppState(view, shownFor),
  };
}

/** The product's name in the page's text: its own, or the page's heading. */
function nameOnPage(name: string, view: PageView): string {
  const [heading] = view.topics.headings;
  return placeOf(name, view) === -1 && heading !== undefined && agreesWithTopic(name, view) ? heading : name;
}

function draftOf(source: StructuredSource, product: FoundProduct, choices: SourceChoice[], shown: Money[]): Draft {
  const same = choices.flatMap((choice) =>
    choice.source === source ? [] : sameProducts(product, choice).map((other) => ({ source: choice.source, other })),
  );
  const all = [{ source, other: product }, ...same];
  const sources: Sources = { name: source };
  const draft: FoundProduct = {
    ...product,
    price: null,
    priceMax: null,
    prices: [],
    currency: null,
    currencyLabel: null,
  };
  for (const field of fields) {
    const filled = all.find(({ other }) => !isEmpty(other[field]));
    if (filled === undefined) continue;
    Object.assign(draft, { [field]: filled.other[field] });
    sources[field] = filled.source;
  }
  setPrice({ product: draft, sources }, all, shown);
  return { product: draft, sources };
}

/** Takes price and currency from the first source that the page confirms, else the first it does not contradict. */
function setPrice(
  { product, sources }: Draft,
  all: { source: StructuredSource; other: FoundProduct }[],
  shown: Money[],
): void {
  const priced = all.flatMap(({ source, other }) =>
    other.price === null
      ? []
      : [{ source, other, verdict: compareWithShown({ ...other, price: other.price, all: other.prices }, shown) }],
  );
  const best = priced.find(({ verdict }) => verdict === 'agrees') ?? priced.find(({ verdict }) => verdict === 'silent');
  if (best === undefined) return;
  const { price, priceMax, prices, currency, currencyLabel } = best.other;
  Object.assign(product, { price, priceMax, prices, currency, currencyLabel });
  sources.price = best.source;
  if (priceMax !== null) sources.price_max = best.source;
  if (currency !== null) sources.currency = best.source;
  if (currencyLabel !== null) sources.currency_label = best.source;
  const mark = shown.find(({ amount }) => prices.includes(amount))?.mark;
  if (currency === null && currencyLabel === null && mark) {
    product.currency = mark.currency;
    product.currencyLabel = mark.currency === null ? mark.label : null;
    sources[mark.currency === null ? 'currency_label' : 'currency'] = 'page';
  }
}

/** In a list names must be equal; on a page with one product a name may be longer or shorter. */
function sameProducts({ name }: FoundProduct, { products, isList, byName }: SourceChoice): FoundProduct[] {
  if (!isList) return products.filter((other) => namesAgree(name, other.name));
  const letters = wordsOf(name).join('');
  return letters === '' ? [] : (byName.get(letters) ?? []);
}

const isEmpty = (value: unknown): boolean =>
  value === null || value === 'unknown' || (Array.isArray(value) && value.length === 0);

/** Above any legitimate number of blocks. */
const maxBlocks = 200;

/** The values of all valid blocks; an invalid block does not affect the others. */
function readJsonLd($: CheerioAPI): unknown[] {
  const blocks = $('script')
    .get()
    .filter((script) => /^\s*application\/ld\+json/i.test(script.attribs.type ?? ''));
  return blocks.slice(0, maxBlocks).flatMap((script) => withBareKeys(parseTolerant($(script).text())) ?? []);
}
