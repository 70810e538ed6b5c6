/** Extracts the products of a page from its structured data, or with the model where these do not suffice. */
import {
  checkPageAddress,
  type ExtractedProduct,
  ModelAnswer,
  type pageReading,
  type RenderedPage,
  StoredProduct,
} from '@tally/extraction';
import { z } from 'zod';
import type { TaskContext } from '../context.ts';
import { defineTask } from '../define-task.ts';
import { toMessages } from './prompt.ts';

/** Limit, because each is a separate job with its own model call. */
const maxQaJobs = 20;

export const productExtraction = defineTask({
  name: 'product-extraction',
  path: '/api/web-knowledge/extract-products',
  summary: 'Extract the products of a web page, with prices, availability and where each value came from',
  input: z.object({
    url: z.url().meta({ example: 'https://shop.example/p/kettle' }),
    /** Submits a job for each product that writes questions and answers about it. */
    generate_qa: z.boolean().default(false),
  }),
  output: z.object({
    url: z.string(),
    products: z.array(StoredProduct),
    qa_job_ids: z.array(z.string()),
    /** False where structured data sufficed: the job cost no tokens. */
    asked_model: z.boolean(),
  }),
  queue: { attempts: 4, timeoutMs: 60_000, concurrency: 4 },
  outputTokens: { min: 150, max: 2_000 },
  minTokens: () => 1,
  check: (input, policy) => checkPageAddress(input.url, policy),
  async run({ url, generate_qa }, ctx) {
    await ctx.progress('opening');
    const page = await ctx.pages.open(url);
    await ctx.progress('reading');
    const reading = await ctx.pages.read('readProducts', page);
    const found = (await askModel(page, reading, ctx)) ?? reading.products;
    await ctx.progress('storing');
    const products = found.length === 0 ? [] : await ctx.products.save(found);
    const qaJobIds: string[] = [];
    for (const product of generate_qa ? products.slice(0, maxQaJobs) : []) {
      qaJobIds.push(await ctx.submit(`qa ${product.id}`, 'product-qa', { product_id: product.id }));
    }
    return { url: reading.url, products, qa_job_ids: qaJobIds, asked_model: reading.parts.length > 0 };
  },
});

/** Asks the model about one part of the page after another until one has products; undefined where none has. */
async function askModel(
  page: RenderedPage,
  { parts, head }: ReturnType<typeof pageReading.readProducts>,
  ctx: TaskContext,
): Promise<ExtractedProduct[] | undefined> {
  if (parts.length > 0) await ctx.progress('asking');
  for (const [i, { text, outputTokens }] of parts.entries()) {
    const request = { messages: toMessages(head, text), outputTokens };
    const answer = await ctx.llmJson(`chunk-${i + 1}`, request, { name: 'product_extraction', schema: ModelAnswer });
    const products = await ctx.pages.read('concludeProducts', { page, answer });
    if (products !== undefined) return products;
  }
  return undefined;
}
