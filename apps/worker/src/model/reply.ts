/** Reading what a model said, in the forms that servers really send. */

/** The text of a message's content; null where there is none that could be an answer. `asJson`: an object is its JSON. */
export function textOf(content: unknown, asJson: boolean): string | null {
  const answerIn = (text: string) => (asJson && jsonBegins.test(text) ? text.trim() : withoutThoughts(text));
  if (typeof content === 'string') return answerIn(content);
  // Mistral's reasoning models and gateways: parts, of which the thinking ones are no part of the answer.
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

const thoughtNames = ['think', 'thinking', 'thought', 'reasoning'];
// JSON may speak of such blocks in its texts.
const jsonBegins = /^\s*(?:[[{]|```)/;

/**
 * Without the blocks in which open models think aloud: `<think>…</think>`, one that never ends, and one whose beginning
 * stood in the prompt. Linear.
 */
export const withoutThoughts = (text: string): string =>
  thoughtNames.reduce((rest, name) => withoutBlocks(rest, new RegExp(`<(/?)${name}>`, 'gi')), text).trim();

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
 * The JSON in an answer: all of it, or what stands in its first code fence, or from its first bracket to its last; undefined
 * where that is none.
 */
export function readJson(text: string, reviver?: (key: string, value: unknown) => unknown): unknown {
  const whole = text.replace(/^\ufeff/, '').trim();
  const fence = /```[a-z]*\s*\n([\s\S]*?)```/i.exec(whole)?.[1];
  const isObjectFirst = whole.indexOf('{') < (whole.indexOf('[') + 1 || Number.POSITIVE_INFINITY);
  const brackets = [between(whole, '{', '}'), between(whole, '[', ']')];
  const candidates = [whole, fence, ...(isObjectFirst ? brackets : brackets.reverse())];
  for (const candidate of candidates) {
    if (candidate === undefined) continue;
    try {
      return JSON.parse(candidate, reviver);
    } catch {
      // The next one.
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
// A full stop of any script, and what closes after it.
const ended = /[.!?…。！？｡؟۔।॥։።፧]["'”’»›)\]*_]*\s*$/u;
// A price or an address may go on after such a full stop, and the number of a list's next item says nothing.
const mayGoOn = (text: string): boolean => {
  let begins = text.length;
  while (begins > 0 && !/\s/.test(text.charAt(begins - 1))) begins--;
  const lastWord = text.slice(begins);
  return lastWord.endsWith('.') && (/\p{N}\.$/u.test(lastWord) || /[./@]/.test(lastWord.slice(0, -1)));
};
const itemNumber = /^\s*\p{N}+[.)]\s*$/u;

/** An answer that was cut off, back to its last whole sentence; empty where it has none. */
export function wholeSentences(text: string): string {
  const segments = [...sentences.segment(text)].map(({ segment }) => segment);
  if (mayGoOn(text)) segments.pop();
  const isWhole = (segment: string) => ended.test(segment) && !itemNumber.test(segment);
  return segments
    .slice(0, segments.findLastIndex(isWhole) + 1)
    .join('')
    .trim();
}
