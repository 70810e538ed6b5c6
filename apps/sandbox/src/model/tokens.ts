/** Counts and cuts text in o200k_base tokens, which is what the stand-in model bills by. */
import { countTokens as count } from 'gpt-tokenizer/encoding/o200k_base';

/** Cached tokens are part of the prompt, reasoning tokens of the completion. */
export const noTokens = {
  prompt_tokens: 0,
  cached_tokens: 0,
  completion_tokens: 0,
  reasoning_tokens: 0,
  total_tokens: 0,
};
export type Tokens = typeof noTokens;

/** Text that looks like a control token (`<|endoftext|>`) is ordinary text here; by default the tokenizer throws. */
const asText = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };
/** OpenAI's rule of thumb for chat: 3 tokens frame each message, and 3 more prime the answer. */
const framing = 3;

export const countTokens = (text: string): number => count(text, asText);

/** What the prompt of a request costs: for each message 3 + role + content, and 3 for the answer's start. */
export const countPromptTokens = (messages: readonly { role: string; content: string }[]): number =>
  messages.reduce((sum, { role, content }) => sum + framing + countTokens(role) + countTokens(content), framing);

/** The longest start of `text` that splits no character and is at most `maxTokens` long. */
export function cutToTokens(text: string, maxTokens: number): string {
  if (countTokens(text) <= maxTokens) return text;
  let [fits, exceeds] = [0, text.length];
  while (exceeds - fits > 1) {
    const middle = (fits + exceeds) >> 1;
    if (countTokens(text.slice(0, middle)) <= maxTokens) fits = middle;
    else exceeds = middle;
  }
  return text.slice(0, fits).replace(/[\ud800-\udbff]$/, '');
}
