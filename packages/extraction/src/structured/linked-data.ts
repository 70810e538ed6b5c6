/** Linked data as nodes: JSON-LD as it is, microdata and RDFa in the same form. Finds the products among them. */

/** A node of linked data; keys without prefix, values as they came. */
export type DataNode = { [key: string]: unknown };

/** How a product was referred to. */
export type ProductRole = 'main' | 'listed' | 'plain';
export type ProductNode = { node: DataNode; role: ProductRole };

/** Every node that has an `@id`, from all blocks of the page. */
export type NodeIndex = ReadonlyMap<string, DataNode>;

/** Deeper than this, data refer to each other in circles. */
const maxDepth = 12;
/** More than any honest data have: keys of a node, values of a property, references followed on the way to products, products. */
const maxKeys = 200;
const maxValues = 1_000;
const maxVisits = 50_000;
const maxProducts = 1_000;

export const isNode = (value: unknown): value is DataNode =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The value as a list: nothing, one, or many. */
export const listOf = (value: unknown): unknown[] =>
  value === undefined || value === null
    ? []
    : Array.isArray(value)
      ? value.slice(0, maxValues).flat(3).slice(0, maxValues)
      : [value];

/** Without `schema:` or `https://schema.org/`. */
const bareName = (name: string): string => name.replace(/^(?:https?:\/\/(?:www\.)?schema\.org\/|schema:)/i, '');

export const typesOf = (node: DataNode): string[] =>
  listOf(node['@type'] ?? node.type).flatMap((type) =>
    typeof type === 'string' ? type.split(/\s+/).map(bareName) : [],
  );

export const hasType = (node: DataNode, pattern: RegExp): boolean => typesOf(node).some((type) => pattern.test(type));

/** The same data with bare keys, whatever prefix they had. */
export function withBareKeys(value: unknown, depth = 0): unknown {
  if (depth > maxDepth * 3) return undefined;
  if (Array.isArray(value)) return value.map((item) => withBareKeys(item, depth + 1));
  if (!isNode(value)) return value;
  const entries = Object.entries(value).slice(0, maxKeys);
  return Object.fromEntries(entries.map(([key, item]) => [bareName(key), withBareKeys(item, depth + 1)]));
}

/** Gathers what all blocks say about each `@id`. */
export function indexNodes(roots: unknown[]): NodeIndex {
  const index = new Map<string, DataNode>();
  const stack = roots.filter((root) => typeof root === 'object' && root !== null);
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    if (isNode(value) && typeof value['@id'] === 'string') addTo(index, value['@id'], value);
    for (const item of Object.values(value as object)) if (typeof item === 'object' && item !== null) stack.push(item);
  }
  return index;
}

/** What was said about an id first stays. */
function addTo(index: Map<string, DataNode>, id: string, node: DataNode): void {
  const known = index.get(id);
  if (known === undefined) index.set(id, { ...node });
  else if (Object.keys(known).length < maxKeys) index.set(id, { ...node, ...known });
}

/** A node, with what other blocks say about it. */
export function resolve(value: unknown, index: NodeIndex): DataNode | undefined {
  if (typeof value === 'string') return index.get(value);
  if (!isNode(value)) return undefined;
  const id = value['@id'];
  return typeof id === 'string' ? { ...index.get(id), ...value } : value;
}

export const resolveAll = (value: unknown, index: NodeIndex): DataNode[] =>
  listOf(value).flatMap((item): DataNode[] => [resolve(item, index)].filter((node) => node !== undefined));

const productType =
  /^(?:Product|ProductGroup|IndividualProduct|ProductModel|SomeProducts|Vehicle|Car|Motorcycle|Book|MusicAlbum|VideoGame)$/;
const aboutType = /Page$|^WebSite$|^Offer$/;
/** Where products are that the page offers. All other properties lead to related ones. */
const waysDown: [key: string, role: ProductRole | undefined][] = [
  ['@graph', undefined],
  ['mainEntity', 'main'],
  ['itemListElement', 'listed'],
  ['item', undefined],
  ['itemOffered', undefined],
  ['about', undefined],
];

/** The products among `roots`, except those that other products merely mention. */
export function findProducts(roots: unknown[], index: NodeIndex): ProductNode[] {
  const found = new Map<string | DataNode, ProductNode>();
  let visits = 0;
  const visit = (value: unknown, role: ProductRole, depth: number): void => {
    // Lists that hold themselves ten times over would be followed ten to the twelfth times.
    if (depth > maxDepth || visits++ > maxVisits || found.size >= maxProducts) return;
    if (Array.isArray(value)) {
      for (const item of value) visit(item, role, depth + 1);
      return;
    }
    const node = resolve(value, index);
    if (node === undefined) return;
    const products = productsAt(node, index);
    for (const product of products) {
      const key =
        typeof product['@id'] === 'string' ? product['@id'] : product === node && isNode(value) ? value : product;
      const earlier = found.get(key);
      if (earlier === undefined) found.set(key, { node: product, role });
      else if (role === 'main') earlier.role = 'main';
    }
    if (products.length > 0) return;
    for (const [key, next] of waysDown) {
      if (key === 'about' && !hasType(node, aboutType)) continue;
      if (node[key] !== undefined) visit(node[key], next ?? role, depth + 1);
    }
  };
  visit(roots, 'plain', 0);
  return [...found.values()];
}

/** A product itself, or the one that an offer offers, with that offer. */
function productsAt(node: DataNode, index: NodeIndex): DataNode[] {
  if (hasType(node, productType)) return [node];
  if (!hasType(node, /^(?:Offer|AggregateOffer)$/)) return [];
  return resolveAll(node.itemOffered, index)
    .filter((item) => hasType(item, productType))
    .map((item) => ({ ...item, offers: item.offers ?? { ...node, itemOffered: undefined } }));
}
