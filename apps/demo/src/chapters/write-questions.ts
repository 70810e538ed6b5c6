/** Questions and answers are written about a product. */
import type { StoredProduct } from '@tally/extraction';
import { z } from 'zod';
import { resultOf } from '../client.ts';
import { expectEqual, expectThat } from '../expect.ts';
import type { Cast } from '../story.ts';

const pairsWanted = 4;
const Pair = z.object({ id: z.string(), question: z.string(), answer: z.string() });
const Written = z.object({ pairs: z.array(Pair), dropped: z.int() });
const Kept = z.object({ qa: z.array(Pair) });

export async function writeQuestions({ screen, tenant }: Cast, product: StoredProduct): Promise<void> {
  screen.chapter(
    'Questions and answers are written about a product',
    'A model makes things up, so its word is not enough: a pair is kept only where its numbers and most of its words ' +
      'stand in the source, and where nobody has written that question yet.',
  );
  const input = { product_id: product.id, count: pairsWanted };
  const job = await tenant.run('/api/web-knowledge/generate-qa', input);
  const { pairs, dropped } = resultOf(job, Written);
  screen.answer(`${pairs.length} pairs kept, ${dropped} dropped`, job.tokens_consumed);
  for (const { question, answer } of pairs) screen.note(`- ${question} ${answer}`);
  expectEqual('How many pairs there are', pairs.length, pairsWanted);
  expectThat(
    `an answer names the price, ${product.price}`,
    pairs.some(({ answer }) => answer.includes(String(product.price))),
    pairs,
  );
  const { qa } = await tenant.quiet.get(`/api/qa?product_id=${product.id}`, Kept);
  expectEqual('The pairs that are stored', sorted(qa), sorted(pairs));
}

const sorted = (pairs: z.infer<typeof Pair>[]): string[] => pairs.map(({ id }) => id).sort();
