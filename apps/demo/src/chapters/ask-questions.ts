/** Questions are answered from products and pairs, with their sources; what nobody knows is not made up. */
import { z } from 'zod';
import { resultOf } from '../client.ts';
import { expectEqual, expectThat } from '../expect.ts';
import type { Cast } from '../story.ts';

const Answered = z.object({
  answer: z.string(),
  known: z.boolean(),
  sources: z.array(z.object({ kind: z.string(), title: z.string() })),
});
type Answered = z.infer<typeof Answered>;

/** What is asked, and what the answer must say; null where nothing of it is known. */
const questions: [question: string, says: RegExp | null][] = [
  ['How much does the Aurora desk lamp cost?', /129/],
  ['Is the Halo wall light in stock?', /out of stock|sold out/i],
  ['Do you repair bicycles?', null],
];
const kindNames: Record<string, string> = { product: 'product', qa: 'question', knowledge: 'entry' };

export async function askQuestions({ screen, tenant }: Cast): Promise<void> {
  screen.chapter(
    'Questions are answered, with their sources',
    'What the account knows is searched, and the model answers from what was found and nothing else. An honest "I don’t ' +
      'know" is an answer too, and it costs what it costs.',
  );
  const kinds = new Set<string>();
  for (const [question, says] of questions) {
    const job = await tenant.run('/api/ai/ask-question', { question });
    const answered = resultOf(job, Answered);
    screen.answer(`${answered.answer}${written(answered)}`, job.tokens_consumed);
    expectEqual(`Whether "${question}" can be answered`, answered.known, says !== null);
    if (says === null) continue;
    expectThat(`the answer says ${says.source}`, says.test(answered.answer), answered);
    for (const { kind } of answered.sources) kinds.add(kind);
  }
  expectEqual('What the answers are drawn from', [...kinds].sort(), ['product', 'qa']);
}

const written = ({ sources }: Answered): string =>
  sources.map(({ kind, title }) => `\nfrom the ${kindNames[kind] ?? kind} "${title}"`).join('');
