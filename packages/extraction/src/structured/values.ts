/** Reads single values from linked data: texts, URLs and amounts in all their formats. */
import { absoluteUrl } from '../page/dom.ts';
import { type Decimal, decimalOf, parseAmount, toAsciiDigits } from '../text/price.ts';
import { plainText } from './json.ts';
import { type DataNode, isNode, listOf, type NodeIndex, resolve } from './linked-data.ts';

/** Context for reading a page's structured data. */
export type Reading = { index: NodeIndex; url: string; language: string };

/** The first text of a value: itself, or the `name` or `@value` of a node. */
export function textOf(value: unknown, { index }: Pick<Reading, 'index'>): string | null {
  for (const item of listOf(value)) {
    if (typeof item === 'number') return String(item);
    if (typeof item === 'string') {
      const text = plainText(item);
      if (text !== '' && !/^(?:null|undefined|n\/a|none|-)$/i.test(text)) return text;
    }
    const node = isNode(item) ? resolve(item, index) : undefined;
    const inner = node ? listOf(node['@value'] ?? node.name)[0] : undefined;
    if (typeof inner === 'string' || typeof inner === 'number') {
      const text = plainText(String(inner));
      if (text !== '') return text;
    }
  }
  return null;
}

/** Per value: a product's images, or its URL. */
const maxUrls = 20;

/** The distinct absolute URLs in a value of texts and ImageObjects. */
export function urlsOf(value: unknown, reading: Reading, depth = 0): string[] {
  const urls = listOf(value)
    .slice(0, maxUrls)
    .flatMap((item) => {
      if (typeof item === 'string') return absoluteUrl(plainText(item), reading.url) ?? [];
      const node = resolve(item, reading.index);
      // Two levels cover every legitimate format; deeper nodes reference themselves.
      if (node === undefined || depth > 2) return [];
      return urlsOf(node.contentUrl ?? node.url ?? node['@id'] ?? node.src, reading, depth + 1);
    });
  return [...new Set(urls)];
}

/** An amount from structured data: a number, `49.90`, or a formatted price. */
export function amountOf(value: unknown, currency: string | null, language: string): Decimal | null {
  const [first] = listOf(value);
  if (isNode(first)) return amountOf(first['@value'] ?? first.value, currency, language);
  if (typeof first === 'number') return decimalOf(first);
  if (typeof first !== 'string') return null;
  const number = toAsciiDigits(plainText(first))
    .match(/\d[\d.,'’\u066b\u066c\s]*/)?.[0]
    .trim();
  if (number === undefined) return null;
  return parseAmount(number.replace(/[.,]$/, ''), { language, currency, machine: true });
}

/** The GTIN of a node, under any of its property names. */
export function gtinOf(node: DataNode, reading: Reading): string | null {
  const keys = ['gtin', 'gtin13', 'gtin14', 'gtin12', 'gtin8', 'isbn', 'ean', 'upc'];
  const value = keys.map((key) => textOf(node[key], reading)).find((text) => text !== null);
  const digits = value?.replace(/[\s-]/g, '') ?? '';
  return /^\d{8,14}$/.test(digits) ? digits : null;
}
