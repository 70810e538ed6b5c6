/** The shop's pages become products: from structured data for nothing, else with the model's help. */
import { StoredProduct } from '@tally/extraction';
import { z } from 'zod';
import { type Job, resultOf } from '../client.ts';
import { expectEqual, expectThat } from '../expect.ts';
import type { Column } from '../screen.ts';
import type { Cast } from '../story.ts';
import { amount } from '../text.ts';

const Extracted = z.object({ products: z.array(StoredProduct), asked_model: z.boolean() });

type Told = { name: string; price: number; currency: string; stock: string; from: string };
type Page = { kind: string; path: string } & ({ product: Told } | { refusal: string });

const lamp = (name: string, price: number, currency: string, stock: string, from: string): { product: Told } => ({
  product: { name, price, currency, stock, from },
});

const aurora: Page = {
  kind: 'structured data',
  path: '/products/aurora-desk-lamp',
  ...lamp('Aurora desk lamp', 129, 'EUR', 'in stock', 'JSON-LD'),
};
const pages: Page[] = [
  {
    kind: 'a script adds it after 0.6 s',
    path: '/products/halo-wall-light',
    ...lamp('Halo wall light', 89.5, 'EUR', 'sold out', 'JSON-LD'),
  },
  {
    kind: 'German, words only',
    path: '/de/produkte/kronleuchter-nordlicht',
    ...lamp('Kronleuchter Nordlicht', 1_234.56, 'EUR', 'in stock', 'model'),
  },
  {
    kind: 'Persian, words only',
    path: '/fa/products/mahtab',
    ...lamp('چراغ مطالعهٔ مهتاب', 4_850_000, 'تومان', 'in stock', 'model'),
  },
  {
    kind: 'gives orders to the model',
    path: '/products/hidden-instructions',
    ...lamp('Candela clip lamp', 46, 'EUR', 'in stock', 'model'),
  },
  { kind: 'leads to a private address', path: '/redirect?to=metadata', refusal: 'address_refused' },
  { kind: 'wants no robots', path: '/blocked', refusal: 'blocked' },
];

const columns: Column[] = [
  { title: 'page', width: 29 },
  { title: 'product', width: 22 },
  { title: 'price', width: 15, side: 'right' },
  { title: 'stock', width: 8 },
  { title: 'read by', width: 7 },
  { title: 'tokens', width: 6, side: 'right' },
];
const stockNames = { in_stock: 'in stock', out_of_stock: 'sold out', unknown: '?' };

/** @returns the Aurora, which later chapters are about */
export async function extractProducts({ screen, tenant, addresses }: Cast): Promise<StoredProduct> {
  screen.chapter(
    'The shop’s pages become products',
    'Each page is opened in a browser behind a guarded proxy. What it states for machines costs no tokens; only where ' +
      'that is not enough the model reads the text, and what it claims must stand on the page.',
  );
  const path = '/api/web-knowledge/extract-products';
  const read = (page: Page): Promise<Job> => tenant.quiet.run(path, { url: `${addresses.shop}${page.path}` });
  // Shown once; the others differ in their path alone.
  const first = await tenant.run(path, { url: `${addresses.shop}${aurora.path}` });
  screen.note(`and so on for ${pages.length} more:`);
  const writeRow = screen.table(columns);
  const tell = (page: Page, job: Job): StoredProduct | undefined => {
    const { cells, product } = 'refusal' in page ? refusedRow(page.refusal, job) : productRow(page.product, job);
    writeRow([page.kind, ...cells, job.tokens_consumed]);
    return product;
  };
  const kept = tell(aurora, first);
  for (const page of pages) tell(page, await read(page));
  screen.note('Refused pages are not read, and cost nothing.');
  if (kept === undefined) throw new Error('the first page has a product');
  return kept;
}

function productRow(told: Told, job: Job): { cells: string[]; product: StoredProduct } {
  const { products, asked_model } = resultOf(job, Extracted);
  const [product] = products;
  expectEqual(`How many products the page of ${told.name} has`, products.length, 1);
  if (product === undefined) throw new Error('one product');
  const currency = product.currency ?? product.currency_label ?? '?';
  const from = product.sources.price === 'jsonld' ? 'JSON-LD' : (product.sources.price ?? '?');
  const stock = stockNames[product.availability];
  expectEqual('The product', { name: product.name, price: product.price, currency, stock, from }, told);
  expectEqual(`Whether the model was asked about ${told.name}`, asked_model, told.from === 'model');
  expectThat('structured data cost nothing, and the model’s help does', job.tokens_consumed > 0 === asked_model, {
    asked_model,
    tokens_consumed: job.tokens_consumed,
  });
  return { product, cells: [product.name, `${amount(product.price ?? 0)} ${currency}`, stock, from] };
}

function refusedRow(refusal: string, job: Job): { cells: string[]; product: undefined } {
  const { status, error_code, tokens_consumed } = job;
  const expected = { status: 'failed', error_code: refusal, tokens_consumed: 0 };
  expectEqual('A page that is not read', { status, error_code, tokens_consumed }, expected);
  return { product: undefined, cells: [refusal, '', '', ''] };
}
