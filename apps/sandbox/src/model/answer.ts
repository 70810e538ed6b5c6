/** What the stand-in model says: the first answerer that knows the kind of request speaks. */
import { answerCustomer } from './answer-customer.ts';
import { answerFromContext } from './answer-from-context.ts';
import { answerPairs } from './answer-pairs.ts';
import { answerPlainly } from './answer-plainly.ts';
import { answerProducts } from './answer-products.ts';
import { answerPrompt } from './answer-prompt.ts';
import type { Answer, Answerer } from './answerer.ts';
import type { ChatRequest } from './request.ts';

/** From the most special to the one that matches everything. A task with answers of its own adds its line on top. */
const answerers: readonly Answerer[] = [
  answerProducts,
  answerPairs,
  answerPrompt,
  answerCustomer,
  answerFromContext,
  answerPlainly,
];

/** Answers `request` in words; {@link renderAnswer} brings it into the format asked for. */
export function answer(request: ChatRequest): Answer {
  const answerer = answerers.find(({ matches }) => matches(request)) ?? answerPlainly;
  return answerer.answer(request);
}
