/** Embeds untrusted text in prompts, delimited by tags that the text itself can't close. */
import type { KnowledgePassage } from './context.ts';

const tagNames = ['context', 'business', 'source', 'existing', 'prompt', 'page'] as const;
/** Invisible characters: spaces, controls, zero-width marks, fillers. */
const invisible = '[\\s\\p{C}\\p{Z}\\p{M}\\u115f\\u1160\\u3164\\uffa0\\u2800]*';
const anyName = tagNames.map((name) => [...name].join(invisible)).join('|');
/** A bracket that begins a delimiter tag or a look-alike of one, also in full or small width. */
const opening = new RegExp(`[<\uff1c\ufe64](?=${invisible}(?:/${invisible})*(?:${anyName}))`, 'giu');

/**
 * Replaces the opening bracket of every delimiter tag. One pass suffices, because only single characters are replaced
 * and the rest can't join to form a new tag.
 */
const withoutTags = (text: string): string => text.replace(opening, '‹');

/** Wraps a text in `<tag>`; the text can't contain the closing tag. */
export const delimit = (tag: (typeof tagNames)[number], text: string): string =>
  `<${tag}>\n${withoutTags(text)}\n</${tag}>`;

/** Passages, numbered for citations; without passages the context says so. */
export function toContext(passages: Pick<KnowledgePassage, 'title' | 'text'>[]): string {
  const text = passages.map((p, i) => `[${i + 1}] ${p.title}\n${p.text}`).join('\n\n');
  return delimit('context', text || '(no passage fits the question)');
}

/** The business's own instructions, if any. They rank above untrusted texts and below the task's rules. */
export const toBusiness = (prompt: string | undefined): string =>
  prompt === undefined
    ? ''
    : `\n\nThe business asks you to follow these instructions where they do not contradict the rules above:\n${delimit('business', prompt)}`;
