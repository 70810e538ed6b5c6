/** Products: upserted by extractions, corrected by their owner, found by answers. */
import { createHash } from 'node:crypto';
import { newId } from '@tally/core';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { normalise } from '../../search-terms.ts';
import { requireRoom } from '../accounts/storage.ts';
import { indexPassages, type Searchable } from './passages.ts';

/** A product as its row has it (@tally/tasks says what each field means), money in major units. */
export type ProductRow = {
  name: string;
  price: number | null;
  price_max: number | null;
  currency: string | null;
  currency_label: string | null;
  availability: 'in_stock' | 'out_of_stock' | 'unknown';
  sku: string | null;
  gtin: string | null;
  mpn: string | null;
  brand: string | null;
  description: string | null;
  images: string[];
  url: string;
  sources: Record<string, string>;
};
export type KeptProduct = ProductRow & { id: string; createdAt: Date; updatedAt: Date };

const fields = [
  'name',
  'price',
  'price_max',
  'currency',
  'currency_label',
  'availability',
  'sku',
  'gtin',
  'mpn',
  'brand',
  'description',
  'images',
] as const satisfies (keyof ProductRow)[];
const columns = `id, ${fields.join(', ')}, url, sources, created_at as "createdAt", updated_at as "updatedAt"`;

/** What an extraction finds again: the address and the sku or, where a page has several products without one, the name. */
function keyOf(product: ProductRow, isOneOfMany: boolean): Buffer {
  const identity = product.sku ?? (isOneOfMany ? `name:${product.name}` : '');
  return createHash('sha256').update(`${product.url}\n${identity}`).digest();
}

type KnownProduct = KeptProduct & { key: string };

/**
 * The key under which a product is kept already, or its own. A list often lacks the sku that the product's page has: the
 * same name at the same address is the same product.
 */
function findKey(product: ProductRow, isOneOfMany: boolean, known: KnownProduct[]): string {
  const own = keyOf(product, isOneOfMany).toString('hex');
  if (known.some(({ key }) => key === own)) return own;
  const name = normalise(product.name);
  const same = known.filter(
    ({ url, sku, name: knownName }) =>
      url === product.url && (sku === null || product.sku === null) && normalise(knownName) === name,
  );
  return same[0]?.key ?? own;
}

// A page that says less than another one did takes nothing away; its price, though, is the price now.
const kept = new Set<string>(['sku', 'gtin', 'mpn', 'brand', 'description']);
// What the owner corrected stays, whatever a page says.
const merged = fields
  .map((field) => {
    const said =
      field === 'images'
        ? `case when excluded.images = '[]' then p.images else excluded.images end`
        : kept.has(field)
          ? `coalesce(excluded.${field}, p.${field})`
          : `excluded.${field}`;
    return `${field} = case when p.sources ->> '${field}' = 'owner' then p.${field} else ${said} end`;
  })
  .join(',\n');

/** A product in words, as search shall find it. */
export type Describe = (product: KeptProduct) => string;

/** Inserts or updates an account's products and their passages; returned in the order given. */
export async function upsertProducts(
  client: Transaction,
  accountId: string,
  products: ProductRow[],
  describe: Describe,
): Promise<KeptProduct[]> {
  const known = await client.query<KnownProduct>(
    `select encode(key, 'hex') as key, ${columns} from products
     where account_id = $1 and url = any($2::text[]) order by id for update`,
    [accountId, products.map(({ url }) => url)],
  );
  const keyed = new Map(
    products.map((product) => [findKey(product, products.length > 1, known.rows), product] as const),
  );
  const sorted = [...keyed].sort(([a], [b]) => (a < b ? -1 : 1));
  const json = sorted.map(([key, product]) => ({ id: newId(), key, ...product }));
  const { rows } = await client.query<KnownProduct>(
    `insert into products as p (id, account_id, key, ${fields.join(', ')}, url, sources)
     select id, $1, decode(key, 'hex'), ${fields.join(', ')}, url, sources
     from jsonb_to_recordset($2::jsonb) as r (id uuid, key text, name text, price numeric, price_max numeric, currency text,
       currency_label text, availability text, sku text, gtin text, mpn text, brand text, description text, images jsonb,
       url text, sources jsonb)
     on conflict (account_id, key) do update set ${merged}, updated_at = now(),
       sources = p.sources || excluded.sources || coalesce((select jsonb_object_agg(s.key, s.value)
         from jsonb_each(p.sources) s where s.value = '"owner"'), '{}')
     returning encode(p.key, 'hex') as key, ${columns}`,
    [accountId, JSON.stringify(json)],
  );
  await reindex(client, accountId, known.rows, rows, describe);
  const byKey = new Map(rows.map(({ key, ...row }) => [key, row] as const));
  return [...keyed.keys()].flatMap((key) => byKey.get(key) ?? []);
}

/** Makes search find products as they are now. What was written of facts that have changed since is no answer any more. */
async function reindex(
  client: Transaction,
  accountId: string,
  before: KeptProduct[],
  after: KeptProduct[],
  describe: Describe,
): Promise<void> {
  const texts = new Map(before.map((product) => [product.id, describe(product)]));
  const changed = after.filter((product) => (texts.get(product.id) ?? describe(product)) !== describe(product));
  await client.query('delete from qa_pairs where account_id = $1 and product_id = any($2::uuid[]) and not corrected', [
    accountId,
    changed.map(({ id }) => id),
  ]);
  await indexPassages(
    client,
    after.map((product) => toSearchable(accountId, product, describe(product))),
  );
}

const toSearchable = (accountId: string, product: KeptProduct, text: string): Searchable => ({
  accountId,
  kind: 'product',
  id: product.id,
  title: product.name,
  text,
});

/** One account's product, or undefined. */
export async function findProduct(db: Database, accountId: string, id: string): Promise<KeptProduct | undefined> {
  const { rows } = await db.pool.query<KeptProduct>(
    `select ${columns} from products where account_id = $1 and id = $2`,
    [accountId, id],
  );
  return rows[0];
}

/** One account's products, newest first, `limit` of them from below `beforeId`. */
export async function listProducts(
  db: Database,
  input: { accountId: string; limit: number; beforeId?: string | undefined },
): Promise<KeptProduct[]> {
  const { rows } = await db.pool.query<KeptProduct>(
    `select ${columns} from products where account_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3`,
    [input.accountId, input.beforeId ?? null, input.limit],
  );
  return rows;
}

/**
 * Writes the owner's word over a product's fields, where it stays; questions that were written of the old facts go.
 * Undefined where the account has no such product.
 */
export async function correctProduct(
  db: Database,
  accountId: string,
  id: string,
  correction: Partial<Pick<ProductRow, (typeof fields)[number]>>,
  describe: Describe,
): Promise<KeptProduct | undefined> {
  const given = fields.filter((field) => correction[field] !== undefined);
  return inTransaction(db, async (client) => {
    const before = await client.query<KeptProduct>(
      `select ${columns} from products where account_id = $1 and id = $2 for update`,
      [accountId, id],
    );
    const sets = given.map((field, i) => `${field} = $${i + 4}${field === 'images' ? '::jsonb' : ''}`);
    const { rows } = await client.query<KeptProduct>(
      `update products set ${[...sets, 'updated_at = now()', 'sources = sources || $3::jsonb'].join(', ')}
       where account_id = $1 and id = $2 returning ${columns}`,
      [
        accountId,
        id,
        JSON.stringify(Object.fromEntries(given.map((field) => [field, 'owner']))),
        ...given.map((field) => (field === 'images' ? JSON.stringify(correction.images) : correction[field])),
      ],
    );
    const product = rows[0];
    if (product === undefined) return undefined;
    await reindex(client, accountId, before.rows, [product], describe);
    await requireRoom(client, accountId);
    return product;
  });
}

/** False where the account has no such product. Its Q&A goes with it. */
export async function deleteProduct(db: Database, accountId: string, id: string): Promise<boolean> {
  const { rowCount } = await db.pool.query('delete from products where account_id = $1 and id = $2', [accountId, id]);
  return rowCount === 1;
}
