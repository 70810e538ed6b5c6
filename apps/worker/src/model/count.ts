/** Counts tokens with the tokenizer of OpenAI's current models. */
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { LRUCache } from 'lru-cache';

const tokensPerMessage = 3;
const tokensPerReply = 3;

/** Input tokens of a chat request by OpenAI's formula: role, content and framing of each message. */
export function countInputTokens(messages: { role: string; content: string }[]): number {
  return messages.reduce((sum, m) => sum + tokensPerMessage + 1 + countText(m.content), tokensPerReply);
}

/** Tokens to hold beyond the counted input, since other models tokenize differently. */
export const inputMarginTokens = (inputTokens: number): number => 8 + Math.ceil(inputTokens * 0.05);

// The tokenizer takes quadratic time on a run without spaces, or of spaces only: 100,000 letters take minutes.
// Counting such a run in parts gives a slightly higher count.
const longRun = /\S{256,}|\s{256,}/g;
const partCharacters = 128;

// Customers may write <|endoftext|>: count it as plain text, where the library throws by default.
const plainTextOnly = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };
// Instructions and popular passages recur, so their counts are cached by piece. The tokenizer never merges a line end
// with what follows it, except white space and slashes, so the counts of the pieces add up to that of the whole.
const pieceBorder = /(?<=\n)(?=[^\s/])/;
const counted = new LRUCache<string, number>({ maxSize: 4_000_000, sizeCalculation: (_, text) => text.length + 1 });

/** Number of tokens in a text. */
export function countText(text: string): number {
  return text.split(pieceBorder).reduce((sum, piece) => sum + countPiece(piece), 0);
}

function countPiece(piece: string): number {
  const known = counted.get(piece);
  if (known !== undefined) return known;
  const tokens = splitLongRuns(piece).reduce((sum, part) => sum + countTokens(part, plainTextOnly), 0);
  counted.set(piece, tokens);
  return tokens;
}

function splitLongRuns(piece: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (const { 0: run, index } of piece.matchAll(longRun))
    for (let at = index + partCharacters; at < index + run.length; at += partCharacters) {
      const end = splitsSurrogatePair(piece, at) ? at + 1 : at;
      parts.push(piece.slice(from, end));
      from = end;
    }
  parts.push(piece.slice(from));
  return parts;
}

/** Whether a cut at `at` would split a surrogate pair. */
const splitsSurrogatePair = (text: string, at: number): boolean => /^[\udc00-\udfff]$/.test(text.charAt(at));
