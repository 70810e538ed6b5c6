/** Answers a question from the account's own knowledge, naming its sources. */
import { boundedText } from '@tally/core';
import { z } from 'zod';
import { passageKinds } from '../context.ts';
import { defineTask } from '../define-task.ts';
import { maxQuestionCharacters, minTokensOf } from '../text-size.ts';
import { toMessages } from './prompt.ts';

const passagesShown = 4;

export const askQuestion = defineTask({
  name: 'ask-question',
  path: '/api/ai/ask-question',
  summary: 'Answer a question from the account’s knowledge, naming the sources',
  input: z.object({
    question: boundedText(maxQuestionCharacters).meta({ example: 'How long do I have to return a lamp?' }),
  }),
  output: z.object({
    answer: z.string(),
    /** False where the knowledge does not hold the answer. */
    known: z.boolean(),
    /** The passages cited: entries of the knowledge, products, or question/answer pairs. */
    sources: z.array(z.object({ kind: z.enum(passageKinds), id: z.string(), title: z.string() })),
    /** True where the answer stopped at its token limit. */
    cut_off: z.boolean(),
  }),
  queue: { attempts: 5, timeoutMs: 60_000 },
  outputTokens: { min: 60, max: 400 },
  minTokens: ({ question }) => 180 + minTokensOf(question),
  async run({ question }, ctx) {
    const [passages, business] = await Promise.all([
      ctx.knowledge.search(question, passagesShown),
      ctx.prompt.current(),
    ]);
    const { text, cutOff } = await ctx.llm('answer', { messages: toMessages(question, passages, business) });
    const cited = new Set([...text.matchAll(/\[(\d{1,2})\]/g)].map((match) => Number(match[1])));
    const used = passages.filter((_, i) => cited.has(i + 1));
    const sources = new Map(used.map(({ kind, id, title }) => [id, { kind, id, title }]));
    return { answer: text.trim(), known: sources.size > 0, sources: [...sources.values()], cut_off: cutOff };
  },
});
