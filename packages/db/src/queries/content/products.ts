/** Products: upserted by extractions, corrected by their owner, found by answers. */
import { createHash } from 'node:crypto';
import { newId } from '@tally/core';
import { and, desc, eq, inArray, not, sql } from 'drizzle-orm';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { isBelow, isOwn, omitColumns, type Selected, selectList } from '../../schema/columns.ts';
import { qaPairs, products as table } from '../../schema/index.ts';
import { normalise } from '../../search-terms.ts';
import { requireRoom } from '../accounts/storage.ts';
import { indexPassages, type Searchable } from './passages.ts';

const columns = omitColumns(table, ['accountId', 'key']);
export type KeptProduct = Selected<typeof columns>;
/** A product as an extraction brings it: what its page doesn't say is null, or missing. */
export type ProductRow = Omit<typeof table.$inferInsert, 'id' | 'accountId' | 'key' | 'createdAt' | 'updatedAt'> &
  Pick<KeptProduct, 'images' | 'sources'>;

/** What a page says of a product and its owner may correct; in the table they have the same names. */
const fieldColumns = omitColumns(table, ['id', 'accountId', 'key', 'url', 'sources', 'createdAt', 'updatedAt']);
type Field = keyof typeof fieldColumns;
const fields = Object.keys(fieldColumns) as Field[];

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
      url === product.url && (sku === null || (product.sku ?? null) === null) && normalise(knownName) === name,
  );
  return same[0]?.key ?? own;
}

// A page that says less than another one did takes nothing away; its price, though, is the price now.
const kept = new Set<Field>(['sku', 'gtin', 'mpn', 'brand', 'description']);
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
    `select encode(key, 'hex') as key, ${selectList(columns)} from products
     where account_id = $1 and url = any($2::text[]) order by id for update`,
    [accountId, products.map(({ url }) => url)],
  );
  const keyed = new Map(
    products.map((product) => [findKey(product, products.length > 1, known.rows), product] as const),
  );
  const sorted = [...keyed].sort(([a], [b]) => (a < b ? -1 : 1));
  const json = sorted.map(([key, product]) => ({ id: newId(), key: `\\x${key}`, ...product }));
  const { rows } = await client.query<KnownProduct>(
    `insert into products as p (id, account_id, key, ${fields.join(', ')}, url, sources)
     select id, $1, key, ${fields.join(', ')}, url, sources from jsonb_populate_recordset(null::products, $2::jsonb)
     on conflict (account_id, key) do update set ${merged}, updated_at = now(),
       sources = p.sources || excluded.sources || coalesce((select jsonb_object_agg(s.key, s.value)
         from jsonb_each(p.sources) s where s.value = '"owner"'), '{}')
     returning encode(p.key, 'hex') as key, ${selectList(columns, 'p')}`,
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
  const isWritten = and(eq(qaPairs.accountId, accountId), not(qaPairs.corrected));
  const ids = changed.map(({ id }) => id);
  await client.orm.delete(qaPairs).where(and(isWritten, inArray(qaPairs.productId, ids)));
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
  const rows = await db.orm
    .select(columns)
    .from(table)
    .where(isOwn(table, accountId, id));
  return rows[0];
}

/** One account's products, newest first, `limit` of them from below `beforeId`. */
export async function listProducts(
  db: Database,
  input: { accountId: string; limit: number; beforeId?: string | undefined },
): Promise<KeptProduct[]> {
  return db.orm
    .select(columns)
    .from(table)
    .where(and(eq(table.accountId, input.accountId), isBelow(table.id, input.beforeId)))
    .orderBy(desc(table.id))
    .limit(input.limit);
}

/**
 * Writes the owner's word over a product's fields, where it stays; questions that were written of the old facts go.
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
  const words = JSON.stringify(Object.fromEntries(given.map((field) => [field, 'owner'])));
  return inTransaction(db, async (client) => {
    const before = await client.orm
      .select(columns)
      .from(table)
      .where(isOwn(table, accountId, id))
      .for('update');
    const [product] = await client.orm
      .update(table)
      .set({ ...correction, updatedAt: sql`now()`, sources: sql`${table.sources} || ${words}::jsonb` })
      .where(isOwn(table, accountId, id))
      .returning(columns);
    if (product === undefined) return undefined;
    await reindex(client, accountId, before, [product], describe);
    await requireRoom(client, accountId);
    return product;
  });
}

/** False where the account has no such product. Its Q&A goes with it. */
export async function deleteProduct(db: Database, accountId: string, id: string): Promise<boolean> {
  const { rowCount } = await db.orm.delete(table).where(isOwn(table, accountId, id));
  return rowCount === 1;
}
