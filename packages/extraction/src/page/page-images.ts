/** Finds a product's images and link near its name, so that the model need not copy them. */
import { absoluteUrl, type Element, isElement, isHidden, metaOf, type Node } from './dom.ts';
import { type PageView, placeOf } from './page-view.ts';

const maxImages = 10;
/** Limits of the search around a name: levels up from it, and elements per level. */
const maxLevels = 5;
const maxElements = 2_000;

/** Finders for images and links near product names. */
export type Surroundings = {
  /** Images in the smallest element around the name that has any; `og:image` first on a page with one product. */
  imagesNear(name: string): string[];
  /** The link at the name, for products of a list. */
  linkNear(name: string): string | null;
};

/** Prepares the finders for a page's product names. */
export function surroundingsOf(names: string[], view: PageView): Surroundings {
  const placed = (name: string): Element | undefined => view.passages[placeOf(name, view)]?.element;
  const namedInside = countInside(new Set(names.flatMap((name) => placed(name) ?? [])));
  const beside = new Set<Node>(view.passages.filter((passage) => passage.beside).map(({ element }) => element));
  const isOnly = new Set(names).size <= 1;

  /** The elements around a name, from the inside out, until one contains another product's name. */
  function around(name: string): Element[] {
    const found: Element[] = [];
    for (
      let node: Node | null = placed(name) ?? null;
      node !== null && isElement(node) && node.name !== 'body' && found.length < maxLevels;
      node = node.parent as Node | null
    ) {
      if ((namedInside.get(node) ?? 0) > 1) break;
      found.push(node);
    }
    return found;
  }

  return {
    imagesNear(name) {
      const own = isOnly ? absoluteUrl(metaOf(view.$, 'og:image'), view.url) : null;
      const near = around(name)
        .map((element) => imagesIn(element, beside, view.url))
        .find((images) => images.length > 0);
      return [...new Set([...(own ? [own] : []), ...(near ?? [])])].slice(0, maxImages);
    },
    linkNear(name) {
      const start = placed(name);
      if (start === undefined) return null;
      const enclosing = view.$(start).closest('a[href]').attr('href');
      const href = enclosing ?? around(name).map(firstLinkIn).find(Boolean);
      const link = absoluteUrl(href, view.url);
      return link !== null && new URL(link).host === new URL(view.url).host && link !== view.canonicalUrl ? link : null;
    },
  };
}

/** For each ancestor, the number of `elements` in it. */
function countInside(elements: ReadonlySet<Element>): ReadonlyMap<Node, number> {
  const counts = new Map<Node, number>();
  for (const element of elements) {
    for (let node: Node | null = element; node !== null; node = node.parent as Node | null)
      counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  return counts;
}

/** An element and its descendants in document order, without the subtrees for which `isSkipped` is true. */
function* elementsIn(root: Element, isSkipped: (element: Element) => boolean): Generator<Element> {
  const stack: Node[] = [root];
  let visited = 0;
  for (let node = stack.pop(); node !== undefined && visited++ < maxElements; node = stack.pop()) {
    if (!isElement(node) || isSkipped(node)) continue;
    yield node;
    for (let i = Math.min(node.children.length, maxElements) - 1; i >= 0; i--) stack.push(node.children[i] as Node);
  }
}

function imagesIn(root: Element, beside: ReadonlySet<Node>, base: string): string[] {
  const images: string[] = [];
  for (const element of elementsIn(root, (node) => isHidden(node) || beside.has(node))) {
    if (element.name === 'img') images.push(...(sourceOf(element, base) ?? []));
    if (images.length >= maxImages) break;
  }
  return images;
}

function firstLinkIn(root: Element): string | undefined {
  for (const { name, attribs } of elementsIn(root, () => false))
    if (name === 'a' && attribs.href !== undefined) return attribs.href;
  return undefined;
}

/** The URL of an image that may be lazily loaded; undefined for a placeholder. */
function sourceOf({ attribs }: Element, base: string): string[] | undefined {
  const largest = (attribs.srcset ?? attribs['data-srcset'])?.split(',').at(-1)?.trim().split(/\s+/)[0];
  const address = [attribs.src, attribs['data-src'], attribs['data-lazy-src'], largest].find(
    (candidate) => candidate && !candidate.startsWith('data:'),
  );
  const url = absoluteUrl(address, base);
  return url === null ? undefined : [url];
}
