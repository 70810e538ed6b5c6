/** What a call used: believed where the provider reports it sanely, counted by ourselves where it doesn't. */
import type { Evidence } from '@tally/db';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';

export type Usage = {
  inputTokens: number;
  cachedInputTokens: number;
  outputTokens: number;
  reasoningTokens: number;
  evidence: Evidence;
  /** What was reported and not believed. */
  refusedUsage?: unknown;
};

// No model takes or gives more in one call; a larger number is a fault of the provider's.
const mostTokens = 10_000_000;
const tokens = z.number().int().min(0).max(mostTokens);
const reported = z.object({
  prompt_tokens: tokens,
  completion_tokens: tokens,
  prompt_tokens_details: z.object({ cached_tokens: tokens.nullish() }).nullish(),
  completion_tokens_details: z.object({ reasoning_tokens: tokens.nullish() }).nullish(),
});

/** Classifies the usage of an answered call; `text` is null where the provider sent none. */
export function readUsage(reportedUsage: unknown, countedInputTokens: number, text: string | null): Usage {
  const parsed = reported.safeParse(reportedUsage);
  if (parsed.success) {
    const usage = parsed.data;
    const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
    const reasoning = usage.completion_tokens_details?.reasoning_tokens ?? 0;
    if (cached <= usage.prompt_tokens && reasoning <= usage.completion_tokens && usage.prompt_tokens > 0)
      return {
        inputTokens: usage.prompt_tokens,
        cachedInputTokens: cached,
        outputTokens: usage.completion_tokens,
        reasoningTokens: reasoning,
        evidence: 'reported',
      };
  }
  return {
    inputTokens: countedInputTokens,
    cachedInputTokens: 0,
    outputTokens: text === null ? 0 : countText(text),
    reasoningTokens: 0,
    evidence: 'estimated',
    ...(reportedUsage === undefined || reportedUsage === null ? {} : { refusedUsage: boundedJson(reportedUsage) }),
  };
}

/** A call of which nothing is known but that it was sent. */
export const unknownUsage: Usage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  evidence: 'unknown',
};

// The log is kept for ever, also for accounts that were erased, and a provider may quote anything: no words, only numbers.
const withoutWords = (_key: string, value: unknown): unknown =>
  typeof value === 'string' && !/^[-+.\deE]{1,40}$/.test(value) ? '…' : value;

function boundedJson(value: unknown): unknown {
  const json = JSON.stringify(value, withoutWords);
  return json.length <= 2_000 ? JSON.parse(json) : json.slice(0, 2_000);
}

const tokensPerMessage = 3;
const tokensPerReply = 3;

/** Input tokens of a chat request, as OpenAI counts them: each message's role and content, and its frame. */
export function countInputTokens(messages: { role: string; content: string }[]): number {
  return messages.reduce((sum, m) => sum + tokensPerMessage + 1 + countText(m.content), tokensPerReply);
}

/** What to hold beyond the counted input: other models' tokenizers cut differently. */
export const inputMarginTokens = (inputTokens: number): number => 8 + Math.ceil(inputTokens * 0.05);

// A run without a space is one piece to the tokenizer, whose work grows with its square: 100,000 letters take minutes.
const longRun = /\S{256,}/g;

// Customers may write <|endoftext|>: it is text like any other, where the library's default is to throw.
const asText = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };
// Instructions and popular passages recur from call to call. The tokenizer never joins a line end with what follows
// it but for white space and slashes, so the sum over such pieces is the count of the whole.
const pieceBorder = /(?<=\n)(?=[^\s/])/;
const counted = new LRUCache<string, number>({ maxSize: 4_000_000, sizeCalculation: (_, text) => text.length + 1 });

/** Tokens of a text, as OpenAI's current models cut it. */
export function countText(text: string): number {
  return text.split(pieceBorder).reduce((sum, piece) => sum + countPiece(piece), 0);
}

function countPiece(piece: string): number {
  const known = counted.get(piece);
  if (known !== undefined) return known;
  const tokens = countTokens(
    piece.replace(longRun, (run) => run.replace(/(.{128})/gsu, '$1 ')),
    asText,
  );
  counted.set(piece, tokens);
  return tokens;
}
