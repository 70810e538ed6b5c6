/** Finds, in a conversation, the passages that an answer must come from, and the question. */
import type { Message } from './request.ts';

/** One block of the context; `marker` is its number in `[1] Title`, absent where blocks are not numbered. */
export type Passage = { marker: number | undefined; title: string; text: string };

export type Grounding = { context: string; question: string };

type Section = { inside: string; outside: string };

/**
 * The context given between `<context>` and `</context>`, or from a line `Context:` to a line `Question:` or the end
 * of the message; the last user message, without them, is the question. Undefined: no message has such a section.
 */
export function readGrounding(messages: readonly Message[]): Grounding | undefined {
  const section = findContext(messages);
  return section && { context: section.inside, question: readQuestion(messages) };
}

/** What the last user message asks, without any context or label around it. */
export function readQuestion(messages: readonly Message[]): string {
  const last = messages.findLast((message) => message.role === 'user')?.content ?? '';
  return (cutSection(last)?.outside ?? last)
    .replace(/<\/?question>/gi, '')
    .replace(/^\s*(?:question|پرسش|سؤال|سوال)\s*:/i, '')
    .trim();
}

function findContext(messages: readonly Message[]): Section | undefined {
  let found: Section | undefined;
  for (const { role, content } of messages) {
    if (role === 'assistant' || role === 'tool') continue;
    const section = cutSection(content);
    // Instructions may speak of a context: the section that has numbered blocks is the real one.
    if (section && (found === undefined || /^\[\d+\]/m.test(section.inside))) found = section;
  }
  return found;
}

function cutSection(text: string): Section | undefined {
  const tag = /^[ \t]*<context>/im.exec(text);
  if (tag) return cut(text, tag, /<\/context>/i);
  const label = /^[ \t]*context:/im.exec(text);
  return label ? cut(text, label, /^(?=[ \t]*(?:question|پرسش|سؤال|سوال)\s*:)/im) : undefined;
}

function cut(text: string, opening: RegExpExecArray, closing: RegExp): Section {
  const rest = text.slice(opening.index + opening[0].length);
  const end = closing.exec(rest);
  const before = text.slice(0, opening.index);
  if (!end) return { inside: rest, outside: before };
  return { inside: rest.slice(0, end.index), outside: before + rest.slice(end.index + end[0].length) };
}

/** The blocks of a context; text before the first one is a passage without a number. */
export function splitPassages(context: string): Passage[] {
  const passages: Passage[] = [];
  let current: Passage | undefined;
  for (const line of context.split('\n')) {
    const opening = /^\s*\[(\d{1,6})\]\s*(.*)$/.exec(line);
    if (opening) {
      current = { marker: Number(opening[1]), title: (opening[2] ?? '').trim(), text: '' };
      passages.push(current);
    } else if (current) {
      current.text += `${line}\n`;
    } else if (line.trim() !== '') {
      current = { marker: undefined, title: '', text: `${line}\n` };
      passages.push(current);
    }
  }
  return passages;
}
