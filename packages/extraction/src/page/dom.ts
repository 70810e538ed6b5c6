/** Parses a page's HTML and reads its nodes, hidden elements and head. */
import { type Cheerio, type CheerioAPI, load } from 'cheerio';
import { maxUrlCharacters } from '../page-address.ts';

type Document = ReturnType<CheerioAPI['root']> extends Cheerio<infer Root> ? Root : never;
export type Node = Document['childNodes'][number];
export type Element = Extract<Node, { attribs: Record<string, string> }>;

/** Chromium's parser nests no deeper, but scripts can, and recursion over such a page would overflow the stack. */
const maxDepth = 400;

export const isElement = (node: Node | Document | null): node is Element => node !== null && 'attribs' in node;

/**
 * htmlparser2 instead of parse5: it takes tags as written, in linear time. parse5 repairs unbalanced tags by the HTML
 * standard, which 300 bytes of script can inflate to a gigabyte; a DOM serialized by Chromium needs no repair.
 */
export const asHtml = { xml: { xmlMode: false } } as const;

/** Parses a page; flattens content nested too deeply for recursion. */
export function parseHtml(html: string): CheerioAPI {
  const $ = load(html, asHtml);
  const stack: { node: Element; depth: number }[] = $.root()
    .children()
    .get()
    .map((node) => ({ node, depth: 1 }));
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    if (top.depth >= maxDepth) flatten(top.node);
    else for (const child of top.node.children) if (isElement(child)) stack.push({ node: child, depth: top.depth + 1 });
  }
  return $;
}

/** Keeps only leaves under `parent`: text nodes, and elements without child elements. */
function flatten(parent: Element): void {
  const leaves: Node[] = [];
  const stack = [...parent.children].reverse();
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (isElement(node) && node.children.some(isElement)) {
      for (let i = node.children.length - 1; i >= 0; i--) stack.push(node.children[i] as Node);
    } else leaves.push(node);
  }
  leaves.forEach((leaf, i) => {
    leaf.parent = parent;
    leaf.prev = leaves[i - 1] ?? null;
    leaf.next = leaves[i + 1] ?? null;
  });
  parent.children = leaves;
}

const invisibleTags = new Set(
  'script style noscript template svg head iframe object canvas video audio datalist math'.split(' '),
);
const hidingStyle =
  /display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*(?:0*\.0+|0+)(?![.\d])|font-size\s*:\s*[0-3](?:\.\d+)?(?:px|pt)?\s*(?:;|!|$)|(?:left|right|top|text-indent)\s*:\s*-\d{3,}|clip\s*:\s*rect\(0|clip-path\s*:\s*inset\((?:50|100)%|(?:^|;)\s*(?:max-)?(?:width|height)\s*:\s*[01](?:px)?\s*(?:;|$)/i;

/** Whether an element is invisible, by the browser's mark or by its own attributes. */
export function isHidden({ name, attribs }: Element): boolean {
  if (
    invisibleTags.has(name) ||
    'data-tally-hidden' in attribs ||
    'hidden' in attribs ||
    attribs['aria-hidden'] === 'true'
  )
    return true;
  if (name === 'input' && attribs.type === 'hidden') return true;
  return attribs.style !== undefined && hidingStyle.test(attribs.style);
}

/** The first non-empty `<meta>` value with one of these names or properties. */
export function metaOf($: CheerioAPI, ...names: string[]): string | null {
  for (const name of names) {
    const meta = $(`meta[property="${name}"], meta[name="${name}"]`).get();
    const value = meta.map((element) => element.attribs.content?.trim()).find((content) => content);
    if (value) return value;
  }
  return null;
}

/** An absolute http(s) URL without tracking parameters; null for an invalid or too long one. */
export function absoluteUrl(address: string | null | undefined, base: string): string | null {
  if (!address || address.length > maxUrlCharacters) return null;
  if (!address.trim() || !URL.canParse(address.trim(), base)) return null;
  const url = new URL(address.trim(), base);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return null;
  url.hash = '';
  for (const key of [...url.searchParams.keys()]) {
    if (/^(?:utm_.*|gclid|fbclid)$/i.test(key)) url.searchParams.delete(key);
  }
  return url.href;
}

/** The page's canonical URL if it is on the same host, else its own URL. */
export function canonicalUrl($: CheerioAPI, pageUrl: string): string {
  const own = absoluteUrl(pageUrl, pageUrl) ?? pageUrl;
  const canonical = absoluteUrl($('link[rel~="canonical"]').attr('href'), pageUrl);
  return canonical !== null && new URL(canonical).host === new URL(own).host ? canonical : own;
}

/** BCP 47, or empty where the page doesn't say. */
export function languageOf($: CheerioAPI): string {
  const declared =
    $('html').attr('lang') ??
    $('html').attr('xml:lang') ??
    $('meta[http-equiv="content-language" i]').attr('content') ??
    $('body').attr('lang');
  return (declared?.trim() || metaOf($, 'og:locale') || '').replace('_', '-');
}
