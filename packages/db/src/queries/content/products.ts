/** Products: upserted by extractions, corrected by their owner, searched for answers. */
import { createHash } from 'node:crypto';
import { newId } from '@tally/core';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { and, eq, inArray, not, sql } from '../../drizzle.ts';
import { omitColumns, type Selected, selectList } from '../../schema/columns.ts';
import { qaPairs, products as table } from '../../schema/index.ts';
import { normalise } from '../../search-terms.ts';
import { requireStorage } from '../accounts/storage.ts';
import { deleteOwn, findOwn, isOwn, listOwn, type OwnPage } from '../own-rows.ts';
import { indexPassages } from './passages.ts';

const columns = omitColumns(table, ['accountId', 'key']);
export type KeptProduct = Selected<typeof columns>;
/** A product as extracted: what its page doesn't state is null or missing. */
export type ProductRow = Omit<typeof table.$inferInsert, 'id' | 'accountId' | 'key' | 'createdAt' | 'updatedAt'> &
  Pick<KeptProduct, 'images' | 'sources'>;

/** The fields that are extracted and may be corrected; the columns have the same names. */
const fieldColumns = omitColumns(table, ['id', 'accountId', 'key', 'url', 'sources', 'createdAt', 'updatedAt']);
type Field = keyof typeof fieldColumns;
const fields = Object.keys(fieldColumns) as Field[];

/** Identifies a product: by its address and sku or, on a page of several products, by the name where it has no sku. */
function keyOf(product: ProductRow, isOneOfMany: boolean): Buffer {
  const identity = product.sku ?? (isOneOfMany ? `name:${product.name}` : '');
  return createHash('sha256').update(`${product.url}\n${identity}`).digest();
}

type KnownProduct = KeptProduct & { key: string };

/**
 * The key of the stored product that this one is, or a new one. A list often lacks the sku that the product's page has,
 * so the same name at the same address is the same product unless the skus differ.
 */
function findKey(product: ProductRow, isOneOfMany: boolean, known: KnownProduct[]): string {
  const own = keyOf(product, isOneOfMany).toString('hex');
  if (known.some(({ key }) => key === own)) return own;
  const name = normalise(product.name);
  const same = known.filter(
    ({ url, sku, name: knownName }) =>
      url === product.url && (sku === null || (product.sku ?? null) === null) && normalise(knownName) === name,
  );
  return same[0]?.key ?? own;
}

// Kept where a later page doesn't state them. Prices and availability always follow the latest page.
const sticky = new Set<Field>(['sku', 'gtin', 'mpn', 'brand', 'description']);
// The owner's corrections outlast every extraction.
const mergedFields = fields
  .map((field) => {
    const extracted =
      field === 'images'
        ? `case when excluded.images = '[]' then p.images else excluded.images end`
        : sticky.has(field)
          ? `coalesce(excluded.${field}, p.${field})`
          : `excluded.${field}`;
    return `${field} = case when p.sources ->> '${field}' = 'owner' then p.${field} else ${extracted} end`;
  })
  .join(',\n');

/** Renders a product as the text that search indexes. */
export type Describe = (product: KeptProduct) => string;

/** Inserts or updates an account's products and their passages; returned in the order given. */
export async function upsertProducts(
  client: Transaction,
  accountId: string,
  products: ProductRow[],
  describe: Describe,
): Promise<KeptProduct[]> {
  const known = await client.query<KnownProduct>(
    `select encode(key, 'hex') as key, ${selectList(columns)} from products
     where account_id = $1 and url = any($2::text[]) order by id for update`,
    [accountId, products.map(({ url }) => url)],
  );
  const productsByKey = new Map(
    products.map((product) => [findKey(product, products.length > 1, known.rows), product] as const),
  );
  const sorted = [...productsByKey].sort(([a], [b]) => (a < b ? -1 : 1));
  const json = sorted.map(([key, product]) => ({ id: newId(), key: `\\x${key}`, ...product }));
  const { rows } = await client.query<KnownProduct>(
    `insert into products as p (id, account_id, key, ${fields.join(', ')}, url, sources)
     select id, $1, key, ${fields.join(', ')}, url, sources from jsonb_populate_recordset(null::products, $2::jsonb)
     on conflict (account_id, key) do update set ${mergedFields}, updated_at = now(),
       sources = p.sources || excluded.sources || coalesce((select jsonb_object_agg(s.key, s.value)
         from jsonb_each(p.sources) s where s.value = '"owner"'), '{}')
     returning encode(p.key, 'hex') as key, ${selectList(columns, 'p')}`,
    [accountId, JSON.stringify(json)],
  );
  await reindex(client, accountId, known.rows, rows, describe);
  const rowsByKey = new Map(rows.map(({ key, ...row }) => [key, row] as const));
  return [...productsByKey.keys()].flatMap((key) => rowsByKey.get(key) ?? []);
}

/** Indexes products as they are now, and deletes the uncorrected Q&A pairs of those whose description has changed. */
async function reindex(
  client: Transaction,
  accountId: string,
  before: KeptProduct[],
  after: KeptProduct[],
  describe: Describe,
): Promise<void> {
  const texts = new Map(before.map((product) => [product.id, describe(product)]));
  const changed = after.filter((product) => (texts.get(product.id) ?? describe(product)) !== describe(product));
  const isGenerated = and(eq(qaPairs.accountId, accountId), not(qaPairs.corrected));
  const ids = changed.map(({ id }) => id);
  await client.orm.delete(qaPairs).where(and(isGenerated, inArray(qaPairs.productId, ids)));
  const toSearchable = (product: KeptProduct) => ({ id: product.id, title: product.name, text: describe(product) });
  await indexPassages(
    client,
    after.map((product) => ({ accountId, kind: 'product', ...toSearchable(product) })),
  );
}

/** One account's product, or undefined. */
export const findProduct = (db: Database, accountId: string, id: string): Promise<KeptProduct | undefined> =>
  findOwn(db, table, columns, accountId, id);

/** A page of an account's products, newest first. */
export const listProducts = (db: Database, page: OwnPage): Promise<KeptProduct[]> => listOwn(db, table, columns, page);

/**
 * Stores the owner's corrections of a product's fields, which later extractions keep, and deletes its outdated Q&A.
 * Undefined where the account has no such product.
 */
export async function correctProduct(
  db: Database,
  accountId: string,
  id: string,
  correction: Partial<Pick<KeptProduct, Field>>,
  describe: Describe,
): Promise<KeptProduct | undefined> {
  const given = fields.filter((field) => correction[field] !== undefined);
  const sources = JSON.stringify(Object.fromEntries(given.map((field) => [field, 'owner'])));
  return inTransaction(db, async (client) => {
    const before = await client.orm
      .select(columns)
      .from(table)
      .where(isOwn(table, accountId, id))
      .for('update');
    const [product] = await client.orm
      .update(table)
      .set({ ...correction, updatedAt: sql`now()`, sources: sql`${table.sources} || ${sources}::jsonb` })
      .where(isOwn(table, accountId, id))
      .returning(columns);
    if (product === undefined) return undefined;
    await reindex(client, accountId, before, [product], describe);
    await requireStorage(client, accountId);
    return product;
  });
}

/** Deletes a product and its Q&A pairs; false where the account has no such product. */
export const deleteProduct = (db: Database, accountId: string, id: string): Promise<boolean> =>
  deleteOwn(db, table, accountId, id);
