/** Reads microdata and RDFa into the same nodes as JSON-LD. */
import { type Element, isElement, type Node } from '../page/dom.ts';
import type { PageView } from '../page/page-view.ts';
import { collapse } from '../text/names.ts';
import { type DataNode, withBareKeys } from './linked-data.ts';

type Dialect = {
  /** Whether an element begins an item. */
  isItem(element: Element): boolean;
  typesOf(element: Element): string;
  propertiesOf(element: Element): string;
};

export const microdata: Dialect = {
  isItem: ({ attribs }) => 'itemscope' in attribs,
  typesOf: ({ attribs }) => attribs.itemtype ?? '',
  propertiesOf: ({ attribs }) => attribs.itemprop ?? '',
};

export const rdfa: Dialect = {
  isItem: ({ attribs }) => 'typeof' in attribs,
  typesOf: ({ attribs }) => attribs.typeof ?? '',
  // OpenGraph's properties are RDFa too, but say nothing about the item around them.
  propertiesOf: ({ attribs }) =>
    (attribs.property ?? (attribs.rel?.includes(':') ? attribs.rel : '')).replace(
      /(?:^|\s)(?:og|fb|product|twitter|article):\S+/g,
      '',
    ),
};

/** The outermost items of a page, without those that stand beside its main part. */
export function readMarkup(view: PageView, dialect: Dialect): unknown[] {
  const roots: Element[] = [];
  const stack = view.$('html').get() as Element[];
  for (let element = stack.pop(); element !== undefined; element = stack.pop()) {
    if (dialect.isItem(element) && isRootItem(element, dialect)) roots.push(element);
    for (let i = element.children.length - 1; i >= 0; i--) {
      const child = element.children[i];
      if (child && isElement(child)) stack.push(child);
    }
  }
  return roots
    .filter((element) => !isBeside(element, view))
    .map((element) => withBareKeys(readItem(element, view, dialect, 0)));
}

/** Neither a property of another item, nor inside a property of one that is. */
const isRootItem = (element: Element, dialect: Dialect): boolean => dialect.propertiesOf(element).trim() === '';

function isBeside(item: Element, { passages }: PageView): boolean {
  const inside = passages.filter(({ element }) => {
    for (let node: Node | null = element; node !== null; node = node.parent as Node | null)
      if (node === item) return true;
    return false;
  });
  return inside.length > 0 && inside.every(({ beside }) => beside !== undefined);
}

function readItem(item: Element, view: PageView, dialect: Dialect, depth: number): DataNode {
  const node: DataNode = { '@type': dialect.typesOf(item).split(/\s+/) };
  const id = item.attribs.itemid ?? item.attribs.resource ?? item.attribs.about;
  if (id) node['@id'] = id;
  const referenced = (item.attribs.itemref ?? '')
    .split(/\s+/)
    .filter(Boolean)
    .flatMap((ref) => view.$(`[id="${inQuotes(ref)}"]`).get());
  const stack: Node[] = [...referenced, ...item.children].reverse();
  for (let child = stack.pop(); child !== undefined; child = stack.pop()) {
    if (!isElement(child)) continue;
    const names = dialect.propertiesOf(child).split(/\s+/).filter(Boolean);
    const isItem = dialect.isItem(child);
    if (names.length > 0 && depth < 8) {
      const value = isItem ? readItem(child, view, dialect, depth + 1) : propertyOf(child, view);
      for (const name of names) node[name] = name in node ? [node[name], value].flat() : value;
    }
    if (!isItem) for (let i = child.children.length - 1; i >= 0; i--) stack.push(child.children[i] as Node);
  }
  return node;
}

const inQuotes = (id: string): string => id.replace(/["\\]/g, '\\$&');

/** An element's value: what it says to machines, else its address, else its text. */
function propertyOf(element: Element, { $ }: PageView): string {
  const { attribs, name } = element;
  if (attribs.content !== undefined) return attribs.content;
  if (name === 'img' || name === 'source')
    return attribs.src?.startsWith('data:') ? (attribs['data-src'] ?? '') : (attribs.src ?? attribs['data-src'] ?? '');
  if (name === 'a' || name === 'link' || name === 'area') return attribs.href ?? attribs.resource ?? $(element).text();
  if (name === 'meter' || name === 'data') return attribs.value ?? $(element).text();
  return attribs.resource ?? attribs.datetime ?? collapse($(element).text());
}
