/** A model whose answers are known: the right one for each page, or one that makes things up. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TruePage } from './truth.ts';

export type Behaviour = 'right' | 'inventing';
export type ScriptedModel = { url: string; close(): Promise<void> };

/** What no page says. */
export const invented = { name: 'Imaginary Widget 9000', price: 123_456.78 } as const;

/** Speaks OpenAI's chat completions; which page is asked about is read from the file's name in the prompt. */
export async function startScriptedModel(behaviour: Behaviour, pages: TruePage[]): Promise<ScriptedModel> {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts).toString('utf8');
    const { messages } = JSON.parse(body) as { messages: { role: string; content: string }[] };
    const prompt = messages.at(-1)?.content ?? '';
    const page = pages.find(({ file }) => prompt.includes(file));
    const products = page === undefined ? [] : answerFor(behaviour, page, prompt);
    const content = JSON.stringify({ products });
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({
        id: 'scripted',
        object: 'chat.completion',
        created: 0,
        model: 'scripted',
        choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content, refusal: null } }],
        usage: {
          prompt_tokens: Math.ceil(body.length / 4),
          completion_tokens: 50,
          total_tokens: Math.ceil(body.length / 4) + 50,
        },
      }),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    close: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function answerFor(behaviour: Behaviour, page: TruePage, prompt: string): object[] {
  const said = (name: string) => squeeze(prompt).includes(squeeze(name));
  // A right model says nothing of products that the part it was shown does not hold.
  if (behaviour === 'right') return page.products.filter(({ name }) => said(name)).map(toAnswer);
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
