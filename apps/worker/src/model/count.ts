/** Counting tokens, as OpenAI's current models cut text. */
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { LRUCache } from 'lru-cache';

const tokensPerMessage = 3;
const tokensPerReply = 3;

/** Input tokens of a chat request, as OpenAI counts them: each message's role and content, and its frame. */
export function countInputTokens(messages: { role: string; content: string }[]): number {
  return messages.reduce((sum, m) => sum + tokensPerMessage + 1 + countText(m.content), tokensPerReply);
}

/** What to hold beyond the counted input: other models' tokenizers cut differently. */
export const inputMarginTokens = (inputTokens: number): number => 8 + Math.ceil(inputTokens * 0.05);

// A run without a space, or of nothing else, is one piece to the tokenizer, whose work grows with its square: 100,000
// letters take minutes. Counted in parts it comes to a little more.
const longRun = /\S{256,}|\s{256,}/g;
const partCharacters = 128;

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
  const tokens = cutRuns(piece).reduce((sum, part) => sum + countTokens(part, asText), 0);
  counted.set(piece, tokens);
  return tokens;
}

function cutRuns(piece: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (const { 0: run, index } of piece.matchAll(longRun))
    for (let at = index + partCharacters; at < index + run.length; at += partCharacters) {
      const end = isHalfPair(piece, at) ? at + 1 : at;
      parts.push(piece.slice(from, end));
      from = end;
    }
  parts.push(piece.slice(from));
  return parts;
}

/** Whether a letter of two UTF-16 units would be cut there. */
const isHalfPair = (text: string, at: number): boolean => /^[\udc00-\udfff]$/.test(text.charAt(at));
