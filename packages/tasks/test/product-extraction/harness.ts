/** Runs the extraction task on HTML with a model function, without browser, network or database. */
import { randomUUID } from 'node:crypto';
import { createLogger } from '@tally/core';
import type { ExtractedProduct, ModelAnswer, ModelProduct } from '@tally/extraction';
import { pageReading } from '@tally/extraction/read-page';
import type { AnswerFormat, LlmRequest, TaskContext } from '../../src/context.ts';
import { productExtraction } from '../../src/product-extraction/index.ts';

export const pageUrl = 'https://shop.test/p/kettle';

export type TestPage = { head?: string; body: string; lang?: string; url?: string };

export const html = ({ head = '', body, lang = 'en' }: TestPage): string =>
  `<!doctype html><html lang="${lang}"><head>${head}</head><body>${body}</body></html>`;

export const jsonLd = (value: unknown): string =>
  `<script type="application/ld+json">${typeof value === 'string' ? value : JSON.stringify(value)}</script>`;

/** A product in the model's answer; fields not given are null. */
export const claim = (product: Partial<ModelProduct> & { name: string }): ModelProduct => ({
  price_text: null,
  price: null,
  price_max_text: null,
  price_max: null,
  currency: null,
  availability: 'unknown',
  sku: null,
  brand: null,
  description: null,
  ...product,
});

/** A model that fails the test when called. */
export const noModel = (): ModelAnswer => {
  throw new Error('the model was asked');
};

export type Outcome = {
  products: ExtractedProduct[];
  asked: boolean;
  /** The last message of each model request. */
  prompts: string[];
  requests: LlmRequest[];
  steps: string[];
  stages: string[];
  submitted: { key: string; task: string; input: object }[];
  qaJobIds: string[];
};

export async function extract(
  page: TestPage,
  model: (prompt: string) => ModelAnswer = noModel,
  generateQa = false,
): Promise<Outcome> {
  const url = page.url ?? pageUrl;
  const outcome: Omit<Outcome, 'products' | 'asked' | 'qaJobIds'> = {
    prompts: [],
    requests: [],
    steps: [],
    stages: [],
    submitted: [],
  };
  const unused = (): never => {
    throw new Error('not a part of this task');
  };
  const ctx: TaskContext = {
    llm: unused,
    async llmJson<T>(step: string, request: LlmRequest, format: AnswerFormat<T>): Promise<T> {
      const prompt = request.messages.at(-1)?.content ?? '';
      outcome.steps.push(step);
      outcome.requests.push(request);
      outcome.prompts.push(prompt);
      return format.schema.parse(model(prompt));
    },
    keep: () => undefined,
    progress: async (stage) => void outcome.stages.push(stage),
    pages: {
      open: async () => ({ url, status: 200, html: html(page) }),
      read: async (name, input) => (pageReading[name] as (input: unknown) => never)(structuredClone(input)),
    },
    products: {
      find: unused,
      save: async (products) => products.map((product) => ({ ...product, id: randomUUID() })),
    },
    submit: async (key, task, input) => {
      outcome.submitted.push({ key, task, input });
      return `job-${key}`;
    },
    knowledge: { search: unused },
    prompt: { current: unused, save: unused },
    qa: { questions: unused, save: unused },
    chat: { take: unused, reply: unused },
    instagram: { takeComment: unused, replyToComment: unused },
    log: createLogger('test', 'silent'),
    signal: new AbortController().signal,
  };
  const output = await productExtraction.run({ url, generate_qa: generateQa }, ctx);
  return { ...outcome, products: output.products, asked: output.asked_model, qaJobIds: output.qa_job_ids };
}

/** The single product of a page, extracted without the model. */
export async function only(page: TestPage): Promise<ExtractedProduct> {
  const { products } = await extract(page);
  const [product] = products;
  if (product === undefined || products.length !== 1)
    throw new Error(`${products.length} products: ${products.map(({ name }) => name)}`);
  return product;
}
