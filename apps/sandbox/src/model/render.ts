/** Brings an answer into the format that the request asks for, and to a given size. */
import type { Answer } from './answerer.ts';
import { fillSchema } from './fill.ts';
import type { ChatRequest } from './request.ts';
import { readSchema } from './section.ts';
import { countTokens, cutToTokens } from './tokens.ts';

/** One token wherever it follows a word, and no more than that. */
const padding = ' ok';

/** Cut, pad, and both again where tokens joined at the seam; from then on the text ends in padding, which never joins. */
const fittingRounds = 4;
/** So much more is cut than must be, for padding to end it: only padding fits to the token. */
const cutSlackTokens = 4;

/** Whether the answer has to be JSON. */
export const wantsJson = ({ response_format: format }: ChatRequest): boolean =>
  format?.type === 'json_object' || format?.type === 'json_schema';

/** The message content for `answer`: plain text, a JSON object, or JSON valid against the request's schema. */
export function renderAnswer(request: ChatRequest, answer: Answer): string {
  if (!wantsJson(request)) return answer.text;
  const schema = readSchema(request);
  return JSON.stringify(schema === undefined ? { answer: answer.text } : fillSchema(schema, answer));
}

/**
 * As {@link renderAnswer}, with the answer's text shortened or padded until the content has `tokens` tokens, or as
 * near below as a schema with several strings, or none, allows.
 */
export function renderAnswerOfSize(request: ChatRequest, answer: Answer, tokens: number): string {
  // Known, so that no nullable string is left out: whoever asks for a size cares for that alone.
  const whole = (text: string): string => renderAnswer(request, { ...answer, text, known: true });
  // Where values alone are too large, they go, and the schema is filled as if there were none.
  const tooLarge = countTokens(whole('')) > tokens;
  const render = tooLarge
    ? (text: string) => renderAnswer(request, { ...answer, text, values: {}, known: true })
    : whole;
  let { text } = answer;
  let content = render(text);
  // Between two paddings, as the first one may also part what ends the text from what follows it.
  const copies = countTokens(render(text + padding.repeat(2))) - countTokens(render(text + padding));
  for (let round = 0; copies > 0 && round < fittingRounds; round += 1) {
    const missing = Math.floor((tokens - countTokens(content)) / copies);
    if (missing === 0) break;
    text =
      missing > 0
        ? text + padding.repeat(missing)
        : cutToTokens(text, Math.max(0, countTokens(text) + missing - cutSlackTokens));
    content = render(text);
  }
  return content;
}
