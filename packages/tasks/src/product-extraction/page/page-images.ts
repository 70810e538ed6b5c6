/** Finds a product's pictures and its own address around its name: what no model needs to copy. */
import { absoluteUrl, type Element, isElement, isHidden, metaOf, type Node } from './dom.ts';
import { type PageView, placeOf } from './page-view.ts';

const maxImages = 10;
/** Up from a name, a product's own card or column ends soon. */
const maxLevels = 5;

/** Pictures in the smallest element around the product's name that has any; `og:image` first for a page of one product. */
export function imagesNear(name: string, view: PageView, others: string[]): string[] {
  const own = others.length === 0 ? absoluteUrl(metaOf(view.$, 'og:image'), view.url) : null;
  const around =
    surroundings(name, view, others)
      .map((element) => imagesIn(element, view))
      .find((images) => images.length > 0) ?? [];
  return [...new Set([...(own ? [own] : []), ...around])].slice(0, maxImages);
}

/** Where the product's name links to, for products of a list. */
export function linkNear(name: string, view: PageView, others: string[]): string | null {
  const start = view.passages[placeOf(name, view)]?.element;
  if (start === undefined) return null;
  const enclosing = view.$(start).closest('a[href]').attr('href');
  const inside =
    enclosing ??
    surroundings(name, view, others)
      .map((element) => view.$(element).find('a[href]').addBack('a[href]').attr('href'))
      .find((href) => href);
  const link = absoluteUrl(inside, view.url);
  return link !== null && new URL(link).host === new URL(view.url).host && link !== view.canonicalUrl ? link : null;
}

/** The elements around a product's name, from the inside out, as long as no other product's name is in them. */
function surroundings(name: string, view: PageView, others: string[]): Element[] {
  const start = view.passages[placeOf(name, view)]?.element;
  const strangers = new Set(
    others
      .map((other) => view.passages[placeOf(other, view)]?.element)
      .filter((element) => element !== undefined && element !== start),
  );
  const found: Element[] = [];
  for (
    let node: Node | null = start ?? null;
    node !== null && isElement(node) && node.name !== 'body' && found.length < maxLevels;
    node = node.parent as Node | null
  ) {
    if ([...strangers].some((stranger) => contains(node as Element, stranger))) break;
    found.push(node);
  }
  return found;
}

function contains(outer: Element, inner: Element | undefined): boolean {
  for (let node: Node | null = inner ?? null; node !== null; node = node.parent as Node | null)
    if (node === outer) return true;
  return false;
}

function imagesIn(root: Element, view: PageView): string[] {
  const beside = new Set<Node>(view.passages.filter((passage) => passage.beside).map(({ element }) => element));
  const images: string[] = [];
  const stack: Node[] = [root];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (!isElement(node) || isHidden(node) || beside.has(node)) continue;
    if (node.name === 'img') images.push(...(sourceOf(node, view.url) ?? []));
    stack.push(...[...node.children].reverse());
  }
  return images;
}

/** The address of a picture that may be loaded late; none for placeholders. */
function sourceOf({ attribs }: Element, base: string): string[] | undefined {
  const largest = (attribs.srcset ?? attribs['data-srcset'])?.split(',').at(-1)?.trim().split(/\s+/)[0];
  const address = [attribs.src, attribs['data-src'], attribs['data-lazy-src'], largest].find(
    (candidate) => candidate && !candidate.startsWith('data:'),
  );
  const url = absoluteUrl(address, base);
  return url === null ? undefined : [url];
}
