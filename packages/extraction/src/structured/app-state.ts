/**
 * Reads products from the initial state of a page's scripts (`__NEXT_DATA__`, `window.X = {…}`). Its fields follow no
 * standard, so a product counts only where the page shows its name and its price.
 */
import type { CheerioAPI } from 'cheerio';
import type { PageView } from '../page/page-view.ts';
import type { Availability } from '../product.ts';
import { availabilityOf } from '../text/availability.ts';
import { currencyCode } from '../text/currency.ts';
import type { Money } from '../text/money.ts';
import { compareAmounts, type Decimal, shift } from '../text/price.ts';
import { type FoundProduct, nothingFound } from './found-product.ts';
import { parseTolerant } from './json.ts';
import { type DataNode, isNode, listOf } from './linked-data.ts';
import type { ShownFor } from './product-node.ts';
import { amountOf, gtinOf, textOf, urlsOf } from './values.ts';

/** Limits, because state can contain megabytes of unrelated data. */
const maxNodes = 200_000;
const maxProducts = 200;
const maxAmounts = 100;
const maxScriptCharacters = 5_000_000;
const maxPriceDepth = 3;

const nameKeys = ['name', 'title', 'productName', 'displayName', 'product_name', 'productTitle'];
const priceKey = /price|amount|cent|value|gross|total|current|sale/i;
const otherPriceKey =
  /old|was|list|regular|compare|msrp|rrp|uvp|unit|shipping|strike|retail|before|discount|saving|instal|tax|cost|formatted_?old|points|original|lowest|previous|minimum|per_?/i;
const reading = { index: new Map(), url: '', language: '' };

/** Products in the page's inline state that the page also shows, priced at the scale shown (major units or cents). */
export function readAppState(view: PageView, shownFor: ShownFor): FoundProduct[] {
  const found = new Map<string, FoundProduct>();
  const shown = new Map<string, Money[]>();
  const shownOnce: ShownFor = (name) => {
    const money = shown.get(name) ?? shownFor(name);
    shown.set(name, money);
    return money;
  };
  for (const state of statesOf(view.$)) {
    for (const node of nodesOf(state)) {
      if (found.size >= maxProducts) break;
      const product = toProduct(node, view, shownOnce);
      const key = `${product?.price} ${product?.name}`;
      if (product && !found.has(key)) found.set(key, product);
    }
  }
  return [...found.values()];
}

/** JSON values in script elements and in assignments to global variables. */
function statesOf($: CheerioAPI): unknown[] {
  const states: unknown[] = [];
  for (const script of $('script').get()) {
    const type = script.attribs.type ?? '';
    const text = $(script).text();
    if (script.attribs.src !== undefined || text.length > maxScriptCharacters || /ld\+json/i.test(type)) continue;
    if (/json$/i.test(type)) states.push(parseTolerant(text));
    else if (type === '' || /javascript|module/i.test(type)) states.push(...assignmentsIn(text));
  }
  return states.filter((state) => state !== undefined);
}

/** `window.X = {…}`, `var x = {…}`, `X.push({…})`, `JSON.parse("…")`. */
function assignmentsIn(script: string): unknown[] {
  const starts = [...script.matchAll(/(?:[\w$.\]"']\s*=|\.push\(|\()\s*(?=[{[])/g)].slice(0, 100);
  const values: unknown[] = [];
  let [done, scanned] = [0, 0];
  for (const match of starts) {
    const start = match.index + match[0].length;
    if (start < done || scanned > 2 * maxScriptCharacters) continue;
    const end = endOfValue(script, start);
    scanned += end - start;
    const literal = script.slice(start, end);
    // Skips code blocks: product state contains names and prices.
    if (literal.length < 20 || !/price|amount/i.test(literal) || !/name|title/i.test(literal)) continue;
    values.push(parseTolerant(literal));
    done = end;
  }
  for (const [, quoted = ''] of script.matchAll(/JSON\.parse\(\s*("(?:[^"\\]|\\.)*")\s*\)/g)) {
    const inner = parseTolerant(quoted);
    if (typeof inner === 'string') values.push(parseTolerant(inner));
  }
  return values;
}

/** The end of the object or array that begins at `start`. */
function endOfValue(script: string, start: number): number {
  let depth = 0;
  let quote = '';
  for (let i = start; i < script.length; i++) {
    const character = script[i] ?? '';
    if (quote !== '') {
      if (character === '\\') i++;
      else if (character === quote) quote = '';
    } else if (character === '"' || character === "'" || character === '`') quote = character;
    else if (character === '{' || character === '[') depth++;
    else if ((character === '}' || character === ']') && --depth === 0) return i + 1;
  }
  return script.length;
}

/** All objects inside a value. */
function nodesOf(state: unknown): DataNode[] {
  const nodes: DataNode[] = [];
  const stack = [state];
  for (let value = stack.pop(); value !== undefined && nodes.length < maxNodes; value = stack.pop()) {
    if (isNode(value)) nodes.push(value);
    if (typeof value === 'object' && value !== null)
      for (const item of Object.values(value)) if (typeof item === 'object' && item !== null) stack.push(item);
  }
  return nodes;
}

function toProduct(node: DataNode, { url, language }: PageView, shownFor: ShownFor): FoundProduct | undefined {
  const name = nameKeys.map((key) => textOf(node[key], reading)).find((text) => text !== null);
  if (!name || name.length > 300) return undefined;
  const amounts = pricesIn(node, language, 0);
  if (amounts.length === 0) return undefined;
  const shown = shownFor(name);
  const claimed = new Set(amounts.slice(0, maxAmounts).flatMap(scales));
  const match = shown.find(({ amount }) => claimed.has(amount));
  if (match === undefined) return undefined;
  const highest =
    shown
      .map(({ amount }) => amount)
      .sort(compareAmounts)
      .at(-1) ?? match.amount;
  const named = currencyCode(currencyIn(node, 0), language);
  const text = (...keys: string[]): string | null =>
    keys.map((key) => textOf(node[key], reading)).find((value) => value !== null) ?? null;
  return {
    ...nothingFound,
    name,
    price: match.amount,
    prices: [match.amount, highest],
    ...currencyOf(named, match),
    availability: availabilityIn(node),
    sku: text('sku', 'SKU', 'articleNumber', 'itemNumber'),
    gtin: gtinOf(node, reading),
    mpn: text('mpn'),
    brand: text('brand', 'brandName', 'vendor', 'manufacturer'),
    description: text('description', 'shortDescription'),
    images: imagesIn(node, url),
  };
}

/** The state's currency code where it is compatible with the shown mark, else the shown currency. */
function currencyOf(named: string | null, { mark }: Money): Pick<FoundProduct, 'currency' | 'currencyLabel'> {
  const fits = named !== null && (mark === null || mark.codes.includes(named));
  const currency = fits ? named : (mark?.currency ?? null);
  return { currency, currencyLabel: currency === null ? (mark?.label ?? null) : null };
}

/** The amount as written, and as hundredths. */
const scales = (amount: Decimal): Decimal[] => [amount, shift(amount, -2)];

/** Amounts under keys that name a current price. */
function pricesIn(node: DataNode, language: string, depth: number): Decimal[] {
  return Object.entries(node).flatMap(([key, value]) => {
    if (!priceKey.test(key) && !(depth === 0 && /^(?:offers?|variants?|pricing|prices)$/i.test(key))) return [];
    if (otherPriceKey.test(key)) return [];
    if (typeof value === 'number' || typeof value === 'string') return amountOf(value, null, language) ?? [];
    if (depth >= maxPriceDepth) return [];
    return listOf(value).flatMap((item) => (isNode(item) ? pricesIn(item, language, depth + 1) : []));
  });
}

function currencyIn(node: DataNode, depth: number): string | null {
  for (const [key, value] of Object.entries(node)) {
    if (/^(?:price_?)?currency(?:_?(?:code|iso))?$|^iso_?code$/i.test(key) && typeof value === 'string') return value;
  }
  if (depth >= maxPriceDepth) return null;
  const inner = Object.entries(node)
    .filter(([key]) => /price|offer|pricing|money|currency/i.test(key))
    .flatMap(([, value]) => listOf(value));
  return inner.flatMap((item) => (isNode(item) ? (currencyIn(item, depth + 1) ?? []) : []))[0] ?? null;
}

function availabilityIn(node: DataNode): Availability {
  for (const [key, value] of Object.entries(node)) {
    const normal = key.toLowerCase().replace(/[^a-z]/g, '');
    if (
      /^(?:is)?(?:instock|available|availableforsale|soldout|outofstock|purchasable)$/.test(normal) &&
      typeof value === 'boolean'
    ) {
      return value === /soldout|outofstock/.test(normal) ? 'out_of_stock' : 'in_stock';
    }
    if (
      /^(?:stock|quantity|stocklevel|stockquantity|inventory|inventoryquantity|qty)$/.test(normal) &&
      typeof value === 'number'
    ) {
      return value > 0 ? 'in_stock' : 'out_of_stock';
    }
    if (/availability|stockstatus|^stock$|^status$/.test(normal)) {
      const said = isNode(value) ? availabilityIn(value) : availabilityOf(typeof value === 'string' ? value : null);
      if (said !== 'unknown') return said;
    }
  }
  return 'unknown';
}

function imagesIn(node: DataNode, url: string): string[] {
  const value = node.images ?? node.image ?? node.imageUrls ?? node.imageUrl ?? node.media ?? node.featuredImage;
  const flat = listOf(value).map((item) =>
    isNode(item) ? (item.url ?? item.src ?? item.href ?? item.contentUrl) : item,
  );
  return urlsOf(flat, { ...reading, url });
}
