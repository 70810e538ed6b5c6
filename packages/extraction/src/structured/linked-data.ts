/** Represents JSON-LD, microdata and RDFa uniformly as nodes, and finds the products among them. */

/** A node of linked data, with keys without prefix and unparsed values. */
export type DataNode = { [key: string]: unknown };

/** How a product was referenced. */
export type ProductRole = 'main' | 'listed' | 'plain';
export type ProductNode = { node: DataNode; role: ProductRole };

/** All nodes with an `@id`, from all blocks of the page. */
export type NodeIndex = ReadonlyMap<string, DataNode>;

/** Deeper references are cyclic. */
const maxDepth = 12;
/** Limits above any legitimate data: keys per node, values per property, references followed, products. */
const maxKeys = 200;
const maxValues = 1_000;
const maxVisits = 50_000;
const maxProducts = 1_000;

export const isNode = (value: unknown): value is DataNode =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The value as a list of zero, one or many items. */
export const listOf = (value: unknown): unknown[] =>
  value === undefined || value === null
    ? []
    : Array.isArray(value)
      ? value.slice(0, maxValues).flat(3).slice(0, maxValues)
      : [value];

/** Removes the prefix `schema:` or `https://schema.org/`. */
const bareName = (name: string): string => name.replace(/^(?:https?:\/\/(?:www\.)?schema\.org\/|schema:)/i, '');

export const typesOf = (node: DataNode): string[] =>
  listOf(node['@type'] ?? node.type).flatMap((type) =>
    typeof type === 'string' ? type.split(/\s+/).map(bareName) : [],
  );

export const hasType = (node: DataNode, pattern: RegExp): boolean => typesOf(node).some((type) => pattern.test(type));

/** Copies data with the schema.org prefix removed from all keys. */
export function withBareKeys(value: unknown, depth = 0): unknown {
  if (depth > maxDepth * 3) return undefined;
  if (Array.isArray(value)) return value.map((item) => withBareKeys(item, depth + 1));
  if (!isNode(value)) return value;
  const entries = Object.entries(value).slice(0, maxKeys);
  return Object.fromEntries(entries.map(([key, item]) => [bareName(key), withBareKeys(item, depth + 1)]));
}

/** Merges the nodes of all blocks by `@id`. */
export function indexNodes(roots: unknown[]): NodeIndex {
  const index = new Map<string, DataNode>();
  const stack = roots.filter((root) => typeof root === 'object' && root !== null);
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    if (isNode(value) && typeof value['@id'] === 'string') addTo(index, value['@id'], value);
    for (const item of Object.values(value as object)) if (typeof item === 'object' && item !== null) stack.push(item);
  }
  return index;
}

/** Existing properties of an id take precedence. */
function addTo(index: Map<string, DataNode>, id: string, node: DataNode): void {
  const known = index.get(id);
  if (known === undefined) index.set(id, { ...node });
  else if (Object.keys(known).length < maxKeys) index.set(id, { ...node, ...known });
}

/** A node, merged with other blocks' properties of its `@id`. */
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
/** Properties that lead to the page's own products; all other properties lead to related ones. */
const productPaths: [key: string, role: ProductRole | undefined][] = [
  ['@graph', undefined],
  ['mainEntity', 'main'],
  ['itemListElement', 'listed'],
  ['item', undefined],
  ['itemOffered', undefined],
  ['about', undefined],
];

/** The products among `roots`, except those only mentioned by other products. */
export function findProducts(roots: unknown[], index: NodeIndex): ProductNode[] {
  const found = new Map<string | DataNode, ProductNode>();
  let visits = 0;
  const visit = (value: unknown, role: ProductRole, depth: number): void => {
    // Limits, because a list that contains itself ten times would cause 10^12 visits.
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
    for (const [key, next] of productPaths) {
      if (key === 'about' && !hasType(node, aboutType)) continue;
      if (node[key] !== undefined) visit(node[key], next ?? role, depth + 1);
    }
  };
  visit(roots, 'plain', 0);
  return [...found.values()];
}

/** The node if it is a product; for an offer, its products with that offer. */
function productsAt(node: DataNode, index: NodeIndex): DataNode[] {
  if (hasType(node, productType)) return [node];
  if (!hasType(node, /^(?:Offer|AggregateOffer)$/)) return [];
  return resolveAll(node.itemOffered, index)
    .filter((item) => hasType(item, productType))
    .map((item) => ({ ...item, offers: item.offers ?? { ...node, itemOffered: undefined } }));
}
