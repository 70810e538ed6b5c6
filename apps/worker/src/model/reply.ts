/** Reading what a model said, in the forms that servers really send. */

/** The text of a message's content; null where there is none that could be an answer. `asJson`: an object is its JSON. */
export function textOf(content: unknown, asJson: boolean): string | null {
  if (typeof content === 'string') return withoutThoughts(content);
  // Mistral's reasoning models and gateways: parts, of which the thinking ones are nobody's answer.
  if (Array.isArray(content)) return withoutThoughts(content.map(textOfPart).join(''));
  if (content === null || content === undefined) return null;
  const { text } = content as { text?: unknown };
  if (typeof text === 'string') return withoutThoughts(text);
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

/**
 * Without the blocks in which open models think aloud: `<think>…</think>`, one that never ends, and one whose beginning
 * stood in the prompt. Linear.
 */
export function withoutThoughts(text: string): string {
  return thoughtNames.reduce((rest, name) => withoutBlocks(rest, `<${name}>`, `</${name}>`), text).trim();
}

function withoutBlocks(text: string, opening: string, closing: string): string {
  const lower = text.toLowerCase();
  const firstClosing = lower.indexOf(closing);
  const firstOpening = lower.indexOf(opening);
  if (firstClosing < 0 && firstOpening < 0) return text;
  let kept = '';
  let at = firstClosing >= 0 && (firstOpening < 0 || firstClosing < firstOpening) ? firstClosing + closing.length : 0;
  for (;;) {
    const from = lower.indexOf(opening, at);
    if (from < 0) return kept + text.slice(at);
    kept += text.slice(at, from);
    const to = lower.indexOf(closing, from);
    if (to < 0) return kept;
    at = to + closing.length;
  }
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

/** An answer that was cut off, back to its last whole sentence; empty where it has none. */
export function wholeSentences(text: string): string {
  const segments = [...sentences.segment(text)].map(({ segment }) => segment);
  while (segments.length > 0 && !ended.test(segments.at(-1) ?? '')) segments.pop();
  return segments.join('').trim();
}
