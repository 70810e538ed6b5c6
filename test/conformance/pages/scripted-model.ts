/** A scripted model that gives the right answer for each page, or invents products and prices. */
import type { ScriptedModel } from '@tally/testing';
import type { TruePage } from './truth.ts';

export type Behaviour = 'right' | 'inventing';

/** A product that is on no page. */
export const invented = { name: 'Imaginary Widget 9000', price: 123_456.78 } as const;

/** Finds the page by its file name in the prompt. */
export const scriptOf =
  (behaviour: Behaviour, pages: TruePage[]): ScriptedModel['script'] =>
  ({ messages }) => {
    const prompt = messages.at(-1)?.content ?? '';
    const page = pages.find(({ file }) => prompt.includes(file));
    const products = page === undefined ? [] : answerFor(behaviour, page, prompt);
    const tokens = Math.ceil(JSON.stringify(messages).length / 4);
    return {
      message: { content: JSON.stringify({ products }) },
      usage: { prompt_tokens: tokens, completion_tokens: 50, total_tokens: tokens + 50 },
    };
  };

function answerFor(behaviour: Behaviour, page: TruePage, prompt: string): object[] {
  const isInPrompt = (name: string) => squeeze(prompt).includes(squeeze(name));
  // The prompt may hold only a part of the page; answer only with products in that part.
  if (behaviour === 'right') return page.products.filter(({ name }) => isInPrompt(name)).map(toAnswer);
  return [
    toAnswer({ name: invented.name, price: invented.price, currency: 'USD', availability: 'in_stock' }),
    ...page.products.map((product) => toAnswer({ ...product, price: invented.price })),
  ];
}

const squeeze = (text: string): string =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '');

const toAnswer = (product: Record<string, unknown>): object => ({
  name: product.name,
  price_text: product.price === null || product.price === undefined ? null : String(product.price),
  price: product.price ?? null,
  price_max_text: product.price_max === undefined ? null : String(product.price_max),
  price_max: product.price_max ?? null,
  currency: product.currency ?? null,
  availability: product.availability ?? 'unknown',
  sku: product.sku ?? null,
  brand: product.brand ?? null,
  description: null,
});
