/** Extracts every page of a folder with three models: the sandbox's, one that is always right, one that invents. */
import { readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { dirname, join } from 'node:path';
import { createCleanUp, startScriptedModel, startServer } from '@tally/testing';
import { type Platform, startPlatform, type Tenant } from '../platform.ts';
import { expectThat, type Report } from '../report.ts';
import { type Behaviour, invented, scriptOf } from './scripted-model.ts';
import { differences, type TruePage, Truth } from './truth.ts';

type Page = TruePage & { numbers: Set<string> };

const path = '/api/web-knowledge/extract-products';
const pagesAtOnce = 3;

export async function checkPages(truthFile: string, report: Report): Promise<void> {
  const truth = Truth.parse(JSON.parse(readFileSync(truthFile, 'utf8')));
  const pages: Page[] = truth.pages.map((page) => {
    const source = readFileSync(join(dirname(truthFile), page.file), 'utf8');
    // Data that scripts decode from base64 counts as part of the page.
    const packed =
      source.match(/[A-Za-z0-9+/]{40,}={0,2}/g)?.map((text) => Buffer.from(text, 'base64').toString()) ?? [];
    return { ...page, numbers: numbersOf([source, ...packed].join('\n')) };
  });
  const { closeLater, close } = createCleanUp();
  const site = await startServer(serve(dirname(truthFile), pages), closeLater);
  const platform = await startPlatform({ EXTRACTION_ALLOW_HOSTS: new URL(site.url).host });
  try {
    const urlOf = (page: TruePage) => `${site.url}/${page.file}`;
    report.section('Pages, with the sandbox’s model');
    await platform.startWorker();
    const tenant = await platform.newTenant('sandbox@example.com');
    await inGroups(pages, (page) =>
      report.check(`${page.file} (${page.obtainable})`, () => withSandboxModel(platform, tenant, page, urlOf(page))),
    );
    await platform.stopWorkers();
    for (const behaviour of ['right', 'inventing'] as const)
      await withScriptedModel(platform, behaviour, pages, urlOf, report);
  } finally {
    await platform.close();
    await close();
  }
}

type Products = Record<string, unknown>[];
const productsOf = (result: Record<string, unknown> | null): Products => (result?.products ?? []) as Products;

async function withSandboxModel(platform: Platform, tenant: Tenant, page: Page, url: string): Promise<void> {
  const job = await platform.run(tenant, path, { url });
  const products = productsOf(job.result);
  if (page.obtainable === 'none') {
    const isEmpty = job.status === 'completed' && products.length === 0;
    const isRefused = ['blocked', 'page_not_found'].includes(job.error_code ?? '');
    return expectThat(`${job.status} ${job.error_code}, ${products.length} products`, isEmpty || isRefused);
  }
  expectThat(`the job ended as ${job.status}, ${job.error_code}`, job.status === 'completed');
  if (page.obtainable !== 'model') {
    expectThat(differences(page, products).join('\n'), differences(page, products).length === 0);
    return expectThat(`it cost ${job.tokens_consumed} tokens`, job.tokens_consumed === 0);
  }
  // The sandbox's model may miss products, but a price must always be one of the page's.
  const prices = new Set(page.products.flatMap((product) => [product.price, product.price_max]));
  for (const product of products) {
    const known = page.products.some(({ name }) => name.normalize('NFKC') === String(product.name).normalize('NFKC'));
    expectThat(
      `${product.name} costs ${product.price}`,
      !known || product.price === null || isPriceOf(page, prices, product),
    );
    expectThat(`the price ${product.price} of ${product.name} is not in the page`, isWritten(page, product.price));
  }
}

const isPriceOf = (page: TruePage, prices: Set<unknown>, product: Record<string, unknown>): boolean =>
  prices.has(product.price) || page.alternatives.some(({ price }) => price === product.price);

/** Whether the page's source contains the digits of a price as one number, in any grouping. */
function isWritten(page: Page, price: unknown): boolean {
  if (typeof price !== 'number') return price === null;
  const forms = [String(price), price.toFixed(1), price.toFixed(2)].map((text) => text.replace(/\D/g, ''));
  return forms.some((digits) => page.numbers.has(digits));
}

/** Every number of a text, as its digits without separators. */
function numbersOf(text: string): Set<string> {
  const ascii = text.replace(/[\u06f0-\u06f9\u0660-\u0669]/g, (digit) => String(digit.charCodeAt(0) & 0xf));
  const runs = ascii.match(/\d(?:[\d.,'’٬٫\u00a0\u202f ]*\d)?/g) ?? [];
  return new Set(runs.flatMap((run) => [run, ...run.split(/\s+/)]).map((run) => run.replace(/\D/g, '')));
}

async function withScriptedModel(
  platform: Platform,
  behaviour: Behaviour,
  pages: Page[],
  urlOf: (page: TruePage) => string,
  report: Report,
): Promise<void> {
  report.section(
    behaviour === 'right' ? 'Pages, with a model that is always right' : 'Pages, with a model that invents',
  );
  const { closeLater, close } = createCleanUp();
  const model = await startScriptedModel(scriptOf(behaviour, pages), closeLater);
  await platform.startWorker({ env: { OPENAI_BASE_URL: model.url } });
  const tenant = await platform.newTenant(`${behaviour}@example.com`);
  await inGroups(pages, (page) =>
    report.check(page.file, async () => {
      const job = await platform.run(tenant, path, { url: urlOf(page) });
      const products = productsOf(job.result);
      if (behaviour === 'inventing') return expectNothingInvented(page, products);
      if (page.obtainable === 'none') return expectThat(`${products.length} products`, products.length === 0);
      const wrong = differences(page, products);
      expectThat(`${job.status} ${job.error_code ?? ''} ${wrong.join('\n')}`, wrong.length === 0);
    }),
  );
  await platform.stopWorkers();
  await close();
}

function expectNothingInvented(page: Page, products: Products): void {
  for (const product of products) {
    expectThat(`${product.name} was invented`, product.name !== invented.name);
    expectThat(
      `the price of ${product.name} was invented`,
      product.price !== invented.price && product.price_max !== invented.price,
    );
  }
  // A product with an invented price must keep no price; structured data are not affected.
  if (page.obtainable === 'model')
    expectThat(
      `${products.length} products with an invented price were kept`,
      products.every(({ price }) => price === null || isWritten(page, price)),
    );
}

async function inGroups<T>(items: T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const next = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: pagesAtOnce }, next));
}

/** Serves each file with its status. */
const serve =
  (folder: string, pages: TruePage[]): RequestListener =>
  (request, response) => {
    const page = pages.find(({ file }) => request.url === `/${file}`);
    // No charset, since some pages declare their own.
    response.setHeader('content-type', 'text/html');
    response.statusCode = page?.http_status ?? 404;
    response.end(page === undefined ? 'not found' : readFileSync(join(folder, page.file)));
  };
