/** Reads the products that a page sells: from its structured data where these suffice, else with the model's help. */
import { z } from 'zod';
import type { TaskContext } from '../context.ts';
import { defineTask } from '../define-task.ts';
import { checkPageAddress } from '../page-address.ts';
import { StoredProduct } from '../product.ts';
import { combine, finish } from './combine.ts';
import { ModelAnswer } from './model/answer.ts';
import { checkAnswer } from './model/evidence.ts';
import { toMessages } from './model/prompt.ts';
import { answerTokens, relevantParts } from './model/relevant-text.ts';
import { type PageView, viewPage } from './page/page-view.ts';
import type { FoundProduct } from './structured/found-product.ts';
import { isComplete, readStructured } from './structured/structured.ts';

/** Each is a job of its own, with its own model call. */
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
  check: (input, policy) => checkPageAddress(input.url, policy),
  async run({ url, generate_qa }, ctx) {
    await ctx.progress('opening');
    const page = await ctx.pages.open(url);
    await ctx.progress('reading');
    const view = viewPage(page);
    const structured = readStructured(view);
    const { products: answered, asked } =
      structured.drafts.length > 0 && structured.drafts.every(isComplete)
        ? { products: [], asked: false }
        : await askModel(view, ctx);
    const drafts = combine(structured, answered);
    const isList = structured.isList || drafts.length > 1;
    await ctx.progress('storing');
    const products = drafts.length === 0 ? [] : await ctx.products.save(finish(drafts, isList, view));
    const qaJobIds: string[] = [];
    for (const [i, product] of (generate_qa ? products.slice(0, maxQaJobs) : []).entries()) {
      qaJobIds.push(await ctx.submit(`qa-${i}`, 'product-qa', { product_id: product.id }));
    }
    return { url: view.canonicalUrl, products, qa_job_ids: qaJobIds, asked_model: asked };
  },
});

/** Asks about the page's parts in turn, until one holds products. */
async function askModel(view: PageView, ctx: TaskContext): Promise<{ products: FoundProduct[]; asked: boolean }> {
  const parts = relevantParts(view);
  if (parts.length > 0) await ctx.progress('asking');
  for (const [i, part] of parts.entries()) {
    const answer = await ctx.llmJson(
      `chunk-${i + 1}`,
      { messages: toMessages(view, part.text), outputTokens: answerTokens(part) },
      { name: 'product_extraction', schema: ModelAnswer },
    );
    const products = checkAnswer(answer, view);
    if (products.length > 0) return { products, asked: true };
  }
  return { products: [], asked: parts.length > 0 };
}
