/** Converts Product and ProductGroup nodes to products; variants are merged into their group. */
import type { Money } from '../text/money.ts';
import { wordsOf } from '../text/names.ts';
import type { FoundProduct } from './found-product.ts';
import {
  type DataNode,
  findProducts,
  hasType,
  isNode,
  listOf,
  type NodeIndex,
  type ProductNode,
  resolve,
  resolveAll,
} from './linked-data.ts';
import { pricingOf, readOffers } from './offers.ts';
import { gtinOf, type Reading, textOf, urlsOf } from './values.ts';

/** Returns the page's current prices for a product name. */
export type ShownFor = (name: string) => Money[];

/** Limits per source and per product. */
const maxProducts = 200;
const maxVariants = 200;
const maxNameCharacters = 300;

const relatedKeys = ['isRelatedTo', 'isSimilarTo', 'isAccessoryOrSparePartFor', 'isConsumableFor', 'isAddOn', 'addOn'];

/** All products offered by `roots`. */
export function readProducts(roots: unknown[], reading: Reading, shownFor: ShownFor): FoundProduct[] {
  const nodes = withoutRelated(inGroups(findProducts(roots, reading.index), reading.index));
  return nodes.slice(0, maxProducts).flatMap((product) => toProduct(product, reading, shownFor) ?? []);
}

/** Removes products that another product references as related. */
function withoutRelated(products: ProductNode[]): ProductNode[] {
  const related = new Set(products.flatMap(({ node }) => relatedKeys.flatMap((key) => listOf(node[key]).map(idOf))));
  const others = products.filter(
    ({ node, role }) => role === 'main' || node['@id'] === undefined || !related.has(node['@id']),
  );
  return others.length > 0 ? others : products;
}

/** The id of a node or of a reference to one. */
const idOf = (value: unknown): unknown => (isNode(value) ? value['@id'] : value);

/** Moves variants into their groups: each group occurs once, with all its variants. */
function inGroups(products: ProductNode[], index: NodeIndex): ProductNode[] {
  const groups = new Map<string, ProductNode>();
  const rest: ProductNode[] = [];
  for (const product of products) {
    const group = isGroup(product.node) ? product.node : resolve(listOf(product.node.isVariantOf)[0], index);
    if (
      group === undefined ||
      (!isGroup(product.node) && group.name === undefined && group.productGroupID === undefined)
    ) {
      rest.push(product);
      continue;
    }
    const key = String(group['@id'] ?? group.productGroupID ?? group.name);
    const known = groups.get(key);
    const variants = isGroup(product.node) ? [] : [{ ...product.node, isVariantOf: undefined }];
    const node = {
      ...group,
      ...known?.node,
      hasVariant: [...listOf(known?.node.hasVariant ?? group.hasVariant), ...variants],
    };
    groups.set(key, { node, role: known?.role === 'main' ? 'main' : product.role });
  }
  const grouped = new Set([...groups.values()].flatMap(({ node }) => listOf(node.hasVariant).map(idOf)));
  return [...groups.values(), ...rest.filter(({ node }) => node['@id'] === undefined || !grouped.has(node['@id']))];
}

const isGroup = (node: DataNode): boolean => hasType(node, /^ProductGroup$/) || node.hasVariant !== undefined;

function toProduct({ node, role }: ProductNode, reading: Reading, shownFor: ShownFor): FoundProduct | undefined {
  const variants = resolveAll(listOf(node.hasVariant).slice(0, maxVariants), reading.index);
  const nameOf = (item: DataNode): string | null => textOf(item.name, reading)?.slice(0, maxNameCharacters) ?? null;
  const name = nameOf(node) ?? commonName(variants.map((variant) => nameOf(variant) ?? ''));
  if (name === null) return undefined;
  const shown = shownFor(name);
  const own = readOffers(node.offers, reading, shown);
  const ofVariants = variants.map((variant) => readOffers(variant.offers, reading, shown));
  const pricing =
    own.price === null && variants.length > 0
      ? pricingOf(ofVariants.map(({ price, priceMax, ...other }) => ({ ...other, low: price, high: priceMax })))
      : own;
  const [onlyVariant] = variants.length === 1 ? variants : [];
  const first = (key: string): string | null => textOf(node[key], reading) ?? textOf(onlyVariant?.[key], reading);
  const images = [node, ...variants]
    .map((item) => urlsOf(item.image ?? item.photo, reading))
    .find((urls) => urls.length > 0);
  const [offer] = resolveAll(node.offers, reading.index);
  return {
    name,
    ...pricing,
    currencyLabel: null,
    sku:
      first('sku') ??
      skuOfOffer(node, reading) ??
      textOf(node.productID, reading)?.replace(/^(?:sku|id):/i, '') ??
      textOf(node.productGroupID, reading),
    gtin:
      gtinOf(node, reading) ??
      (onlyVariant ? gtinOf(onlyVariant, reading) : null) ??
      (offer ? gtinOf(offer, reading) : null),
    mpn: first('mpn'),
    brand: first('brand') ?? textOf(variants[0]?.brand, reading) ?? textOf(node.manufacturer, reading),
    description: first('description') ?? textOf(variants[0]?.description, reading),
    images: images ?? [],
    url: urlsOf(node.url ?? offer?.url, reading)[0] ?? null,
    isMain: role === 'main',
    isListed: role === 'listed',
  };
}

/** The sku of the product's only offer. */
function skuOfOffer(node: DataNode, reading: Reading): string | null {
  const offers = resolveAll(node.offers, reading.index);
  return offers.length === 1 ? textOf(offers[0]?.sku, reading) : null;
}

/** The common beginning of all variants' names, for a group without a name. */
function commonName(names: string[]): string | null {
  const [first = '', ...others] = names;
  const words = first.split(' ');
  const shared = words.findIndex((word, i) =>
    others.some((other) => wordsOf(other.split(' ')[i] ?? '').join() !== wordsOf(word).join()),
  );
  const name = words
    .slice(0, shared === -1 ? words.length : shared)
    .join(' ')
    .replace(/[\s,–-]+$/, '');
  return name === '' ? null : name;
}
