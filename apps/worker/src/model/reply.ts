/** Reads the answer from a model's reply, in the forms that real servers send. */

/** The text of a message's content; null if it holds no answer. With `asJson` an object is serialised. */
export function textOf(content: unknown, asJson: boolean): string | null {
  const answerIn = (text: string) => (asJson && jsonStart.test(text) ? text.trim() : stripReasoning(text));
  if (typeof content === 'string') return answerIn(content);
  // Mistral's reasoning models and gateways send parts; reasoning parts do not belong to the answer.
  if (Array.isArray(content)) return answerIn(content.map(textOfPart).join(''));
  if (content === null || content === undefined) return null;
  const { text } = content as { text?: unknown };
  if (typeof text === 'string') return answerIn(text);
  return asJson ? JSON.stringify(content) : null;
}

function textOfPart(part: unknown): string {
  if (typeof part === 'string') return part;
  const { type, text } = (part ?? {}) as { type?: unknown; text?: unknown };
  if (type !== undefined && type !== 'text' && type !== 'output_text') return '';
  if (typeof text === 'string') return text;
  const { value } = (text ?? {}) as { value?: unknown };
  return typeof value === 'string' ? value : '';
}

const reasoningTags = ['think', 'thinking', 'thought', 'reasoning'];
// JSON strings may contain such tags as text, so they are not removed from JSON.
const jsonStart = /^\s*(?:[[{]|```)/;

/**
 * Removes reasoning blocks of open models: `<think>…</think>`, also unclosed, or without the opening tag, which some
 * chat templates put into the prompt. Linear time.
 */
export const stripReasoning = (text: string): string =>
  reasoningTags.reduce((rest, name) => withoutBlocks(rest, new RegExp(`<(/?)${name}>`, 'gi')), text).trim();

function withoutBlocks(text: string, tag: RegExp): string {
  let kept = '';
  let at = 0;
  let isInside = false;
  for (const { 0: found, 1: slash, index } of text.matchAll(tag)) {
    if (slash === '' && !isInside) kept += text.slice(at, index);
    isInside = slash === '';
    at = index + found.length;
  }
  return isInside ? kept : kept + text.slice(at);
}

/**
 * Parses the JSON in an answer: the whole text, its first code block, or the span from the first bracket to the last.
 * Undefined if none of these parses.
 */
export function readJson(text: string, reviver?: (key: string, value: unknown) => unknown): unknown {
  const whole = text.replace(/^\ufeff/, '').trim();
  const codeBlock = /```[a-z]*\s*\n([\s\S]*?)```/i.exec(whole)?.[1];
  const isObjectFirst = whole.indexOf('{') < (whole.indexOf('[') + 1 || Number.POSITIVE_INFINITY);
  const brackets = [between(whole, '{', '}'), between(whole, '[', ']')];
  const candidates = [whole, codeBlock, ...(isObjectFirst ? brackets : brackets.reverse())];
  for (const candidate of candidates) {
    if (candidate === undefined) continue;
    try {
      return JSON.parse(candidate, reviver);
    } catch {
      // Try the next candidate.
    }
  }
  return undefined;
}

function between(text: string, first: string, last: string): string | undefined {
  const from = text.indexOf(first);
  const to = text.lastIndexOf(last);
  return from >= 0 && to > from ? text.slice(from, to + 1) : undefined;
}

const sentences = new Intl.Segmenter('und', { granularity: 'sentence' });
// Sentence-ending punctuation of any script, and closing marks after it.
const endsSentence = /[.!?…。！？｡؟۔।॥։።፧]["'”’»›)\]*_]*\s*$/u;
// A full stop at the cut may be inside a price ("49.90") or an address, so that sentence is dropped.
const mayContinue = (text: string): boolean => {
  let begins = text.length;
  while (begins > 0 && !/\s/.test(text.charAt(begins - 1))) begins--;
  const lastWord = text.slice(begins);
  return lastWord.endsWith('.') && (/\p{N}\.$/u.test(lastWord) || /[./@]/.test(lastWord.slice(0, -1)));
};
// The bare number of the next list item is not a sentence.
const itemNumber = /^\s*\p{N}+[.)]\s*$/u;

/** Trims a cut-off answer to its last whole sentence; empty if it has none. */
export function wholeSentences(text: string): string {
  const segments = [...sentences.segment(text)].map(({ segment }) => segment);
  if (mayContinue(text)) segments.pop();
  const isWhole = (segment: string) => endsSentence.test(segment) && !itemNumber.test(segment);
  return segments
    .slice(0, segments.findLastIndex(isWhole) + 1)
    .join('')
    .trim();
}
