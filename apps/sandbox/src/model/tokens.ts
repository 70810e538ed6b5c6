/** Counts and cuts text in o200k_base tokens, which is what the stand-in model bills by. */
import ranks from 'gpt-tokenizer/bpeRanks/o200k_base';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { O200K_TOKEN_SPLIT_REGEX } from 'gpt-tokenizer/encodingParams/constants';
import { mergeLongPiece } from './merge.ts';
import { remember } from './remember.ts';

/** Text that looks like a control token (`<|endoftext|>`) is ordinary text here; by default `encode` throws on it. */
const asText = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };

/** From about here the tokenizer's quadratic merge is slower than ours. */
const longPieceChars = 256;

/** OpenAI's rule of thumb for chat: 3 tokens frame each message, and 3 more prime the answer. */
const framingTokens = 3;

/** How many o200k_base tokens `text` is. Linear in its length but for a logarithm, whatever it holds. */
export const countTokens: (text: string) => number = remember(
  { maxTexts: 2_000, maxChars: 8_192 },
  (text) => tokensOf(text).length,
);

/** What the prompt of a request costs: for each message 3 + role + content, and 3 for the answer's start. */
export function countPromptTokens(messages: readonly { role: string; content: string }[]): number {
  let tokens = framingTokens;
  for (const { role, content } of messages) tokens += framingTokens + countTokens(role) + countTokens(content);
  return tokens;
}

/** The longest start of `text` that ends at a token, splits no character, and is at most `maxTokens` long. */
export function cutToTokens(text: string, maxTokens: number): string {
  const tokens = tokensOf(text);
  if (tokens.length <= maxTokens) return text;
  const bytes = Buffer.from(text);
  let end = 0;
  for (const token of tokens.slice(0, maxTokens)) end += byteLength(token);
  // A token may end within a character: step back over UTF-8's continuation bytes (10xxxxxx).
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}

function tokensOf(text: string): number[] {
  if (!mayHoldLongPiece(text)) return encode(text, asText);
  const tokens: number[] = [];
  for (const [piece] of text.matchAll(O200K_TOKEN_SPLIT_REGEX)) {
    const merged = piece.length > longPieceChars ? mergeLongPiece(piece) : encode(piece, asText);
    for (const token of merged) tokens.push(token);
  }
  return tokens;
}

/** Whether a run without a change between space and non-space is long. Anything not ASCII counts as no change. */
function mayHoldLongPiece(text: string): boolean {
  if (text.length <= longPieceChars) return false;
  let run = 0;
  let inSpace = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    const isSpace = code === 0x20 || (code >= 0x09 && code <= 0x0d);
    if (code < 0x80 && isSpace !== inSpace) {
      inSpace = isSpace;
      run = 0;
    }
    run += 1;
    if (run > longPieceChars) return true;
  }
  return false;
}

function byteLength(token: number): number {
  const bytes = ranks[token];
  return typeof bytes === 'string' ? Buffer.byteLength(bytes) : (bytes?.length ?? 0);
}
