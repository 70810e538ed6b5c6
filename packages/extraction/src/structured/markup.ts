/** Reads microdata and RDFa into the node format of JSON-LD. */
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
  // OpenGraph properties are RDFa too, but do not describe the enclosing item.
  propertiesOf: ({ attribs }) =>
    (attribs.property ?? (attribs.rel?.includes(':') ? attribs.rel : '')).replace(
      /(?:^|\s)(?:og|fb|product|twitter|article):\S+/g,
      '',
    ),
};

/** Limits above any legitimate page. `maxElements` counts an element once per reference to it. */
const maxItems = 1_000;
const maxElements = 200_000;
const maxValues = 100;
const maxTextCharacters = 20_000;
const maxTextNodes = 5_000;

/** State of reading one page's items, with the remaining element budget. */
type Reader = { dialect: Dialect; byId(id: string): Element[]; elementsLeft: number };

/** The outermost items of a page's main part. */
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
  const beside = besideElements(view);
  const reader = { dialect, byId: lookUpIds(view), elementsLeft: maxElements };
  return roots
    .filter((element) => beside.get(element) !== true)
    .slice(0, maxItems)
    .map((element) => withBareKeys(readItem(element, reader, 0)));
}

/** Whether an item is not a property of another item. */
const isRootItem = (element: Element, dialect: Dialect): boolean => dialect.propertiesOf(element).trim() === '';

/** For each element with visible text, whether all of that text is outside the page's main part. */
function besideElements({ passages }: PageView): ReadonlyMap<Node, boolean> {
  const found = new Map<Node, boolean>();
  for (const { element, beside } of passages) {
    const isBeside = beside !== undefined;
    for (let node: Node | null = element; node !== null; node = node.parent as Node | null) {
      // If an element contains text of the main part, all its ancestors do.
      const known = found.get(node);
      if (known === false || known === isBeside) break;
      found.set(node, isBeside);
    }
  }
  return found;
}

/** Finds elements by id; the index is built once, at the first reference. */
function lookUpIds({ $ }: PageView): Reader['byId'] {
  let known: Map<string, Element[]> | undefined;
  return (id) => {
    known ??= Map.groupBy($('[id]').get() as Element[], ({ attribs }) => attribs.id ?? '');
    return known.get(id) ?? [];
  };
}

function readItem(item: Element, reader: Reader, depth: number): DataNode {
  const { dialect, byId } = reader;
  const node: DataNode = { '@type': dialect.typesOf(item).split(/\s+/) };
  const id = item.attribs.itemid ?? item.attribs.resource ?? item.attribs.about;
  if (id) node['@id'] = id;
  const referenced = (item.attribs.itemref ?? '').split(/\s+/).filter(Boolean).slice(0, maxValues).flatMap(byId);
  const stack: Node[] = [...referenced].concat(item.children as Element[]).reverse();
  for (let child = stack.pop(); child !== undefined && reader.elementsLeft > 0; child = stack.pop()) {
    if (!isElement(child)) continue;
    reader.elementsLeft--;
    const names = dialect.propertiesOf(child).split(/\s+/).filter(Boolean);
    const isItem = dialect.isItem(child);
    if (names.length > 0 && depth < 8) {
      const value = isItem ? readItem(child, reader, depth + 1) : propertyOf(child);
      for (const name of names) addValue(node, name, value);
    }
    if (!isItem) for (let i = child.children.length - 1; i >= 0; i--) stack.push(child.children[i] as Node);
  }
  return node;
}

function addValue(node: DataNode, name: string, value: unknown): void {
  const known = Object.hasOwn(node, name) ? node[name] : undefined;
  if (known === undefined) node[name] = value;
  else if (!Array.isArray(known)) node[name] = [known, value];
  else if (known.length < maxValues) known.push(value);
}

/** An element's value: its machine-readable attribute, else its URL, else its text. */
function propertyOf(element: Element): string {
  const { attribs, name } = element;
  if (attribs.content !== undefined) return attribs.content;
  if (name === 'img' || name === 'source')
    return attribs.src?.startsWith('data:') ? (attribs['data-src'] ?? '') : (attribs.src ?? attribs['data-src'] ?? '');
  if (name === 'a' || name === 'link' || name === 'area') return attribs.href ?? attribs.resource ?? textIn(element);
  if (name === 'meter' || name === 'data') return attribs.value ?? textIn(element);
  return attribs.resource ?? attribs.datetime ?? collapse(textIn(element));
}

/** The text in an element, up to limits. */
function textIn(element: Element): string {
  let text = '';
  let nodes = 0;
  const stack: Node[] = [element];
  for (let node = stack.pop(); node !== undefined && text.length < maxTextCharacters; node = stack.pop()) {
    if (nodes++ > maxTextNodes) break;
    if (node.type === 'text') text += node.data;
    // Push no more children than can still be visited.
    if (!('children' in node)) continue;
    for (let i = Math.min(node.children.length, maxTextNodes) - 1; i >= 0; i--) stack.push(node.children[i] as Node);
  }
  return text.slice(0, maxTextCharacters);
}
