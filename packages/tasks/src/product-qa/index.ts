/** Generates new question/answer pairs about a product, a page or a text, from facts of the source only. */
import { boundedText, TallyError } from '@tally/core';
import { checkPageAddress, describeProduct, maxUrlCharacters } from '@tally/extraction';
import { z } from 'zod';
import type { QaPair, QaSource, TaskContext } from '../context.ts';
import { defineTask } from '../define-task.ts';
import { maxSourceCharacters, minTokensOf } from '../text-size.ts';
import { isSupported } from './evidence.ts';
import { toMessages } from './prompt.ts';
import { cutSource, pieceCharacters } from './source.ts';

const maxPairs = 30;
const Pairs = z.object({ pairs: z.array(z.object({ question: z.string(), answer: z.string() })) });

const Result = z.object({
  /** The added pairs. */
  pairs: z.array(z.object({ id: z.string(), question: z.string(), answer: z.string() })),
  /** Pairs of the model that were not kept: existing, not supported by the source, or too many. */
  dropped: z.int(),
  /** The length of the source's text, and how much of it was read: at most the first 100,000 characters. */
  characters: z.int(),
  characters_read: z.int(),
});

export const productQa = defineTask({
  name: 'product-qa',
  path: '/api/web-knowledge/generate-qa',
  summary: 'Write question/answer pairs about a product, a page or a text',
  input: z
    .object({
      product_id: z.uuid().optional(),
      url: z.string().trim().min(1).max(maxUrlCharacters).optional(),
      text: boundedText(maxSourceCharacters).optional(),
      count: z.int().min(1).max(maxPairs).default(8),
    })
    .refine(
      ({ product_id, url, text }) => [product_id, url, text].filter((source) => source !== undefined).length === 1,
      {
        message: 'name one of product_id, url and text',
      },
    )
    .meta({ example: { text: 'The Aurora lamp has a guarantee of 5 years.', count: 3 } }),
  output: Result,
  queue: { attempts: 4, timeoutMs: 60_000, concurrency: 8 },
  outputTokens: { min: 150, max: 1_500 },
  check({ url }, policy) {
    if (url !== undefined) checkPageAddress(url, policy);
  },
  minTokens: ({ text }) => 360 + minTokensOf((text ?? '').slice(0, pieceCharacters / 2)),
  async run(input, ctx) {
    const source = toSource(input);
    const whole = await readSource(source, ctx);
    const asked = await ctx.qa.questions(source);
    const pieces = cutSource(whole.slice(0, maxSourceCharacters));
    const result: z.infer<typeof Result> = { pairs: [], dropped: 0, characters: whole.length, characters_read: 0 };
    let written = 0;
    let spare: QaPair[] = [];
    for (const [i, piece] of pieces.entries()) {
      // Pairs are spread evenly over the source: every piece is read and asked for at least one candidate.
      const due = Math.ceil((input.count * (i + 1)) / pieces.length) - result.pairs.length;
      await ctx.progress(`writing ${i + 1} of ${pieces.length}`);
      const existing = [...asked, ...result.pairs.map(({ question }) => question)];
      // Each piece is a step, so that a retry after a crash pays for none twice.
      const { pairs } = await ctx.llmJson(
        `pairs-${i + 1}`,
        { messages: toMessages(piece, Math.max(1, due), existing) },
        { name: 'question_answers', schema: Pairs },
      );
      written += pairs.length;
      const fresh = pairs.map(trimmed).filter((pair) => isSupported(pair, piece));
      const candidates = [...fresh, ...spare];
      spare = candidates.slice(due);
      // Saved after each piece, so that a job that ends early keeps what it paid for.
      if (due > 0 && candidates.length > 0) {
        const saved = await ctx.qa.save(source, candidates.slice(0, due));
        // A question that an earlier piece also gave is saved as the same pair.
        const known = new Set(result.pairs.map(({ id }) => id));
        result.pairs.push(...saved.filter(({ id }) => !known.has(id)));
      }
      result.dropped = written - result.pairs.length;
      result.characters_read += piece.length;
      ctx.keep(result);
    }
    // White space trimmed between pieces counts as read.
    if (whole.length <= maxSourceCharacters) result.characters_read = whole.length;
    return result;
  },
});

function toSource(input: {
  product_id?: string | undefined;
  url?: string | undefined;
  text?: string | undefined;
}): QaSource {
  if (input.product_id !== undefined) return { productId: input.product_id };
  return input.url === undefined ? { text: input.text ?? '' } : { url: input.url };
}

async function readSource(source: QaSource, ctx: TaskContext): Promise<string> {
  if ('text' in source) return source.text;
  if ('url' in source) {
    await ctx.progress('opening');
    const page = await ctx.pages.open(source.url);
    return ctx.pages.read('readPageText', { page, maxCharacters: maxSourceCharacters });
  }
  const product = await ctx.products.find(source.productId);
  if (product === undefined) throw new TallyError('not_found', 'There is no such product');
  return `# ${product.name}\n${describeProduct(product)}`;
}

const trimmed = ({ question, answer }: QaPair): QaPair => ({ question: question.trim(), answer: answer.trim() });
