/** Putting other people's texts into a prompt: fenced by tags that the text itself can't close. */
import type { KnowledgePassage } from './context.ts';

const tagNames = ['context', 'business', 'source', 'existing', 'prompt', 'page'] as const;
/** Nothing of these is seen: spaces, controls, zero-width marks, fillers. */
const unseen = '[\\s\\p{C}\\p{Z}\\p{M}\\u115f\\u1160\\u3164\\uffa0\\u2800]*';
const anyName = tagNames.map((name) => [...name].join(unseen)).join('|');
/** A bracket that begins a fence's tag, or something that a model could take for one: also in full or small width. */
const opening = new RegExp(`[<\uff1c\ufe64](?=${unseen}(?:/${unseen})*(?:${anyName}))`, 'giu');

/**
 * A text in which no tag fences anything: its opening bracket is another character. One pass, because nothing that is
 * left can come together to a tag.
 */
const withoutTags = (text: string): string => text.replace(opening, '‹');

/** `<tag>` around a text that can't end it. */
export const delimit = (tag: (typeof tagNames)[number], text: string): string =>
  `<${tag}>\n${withoutTags(text)}\n</${tag}>`;

/** Numbered passages as the model cites them; with none the context says so. */
export function toContext(passages: Pick<KnowledgePassage, 'title' | 'text'>[]): string {
  const text = passages.map((p, i) => `[${i + 1}] ${p.title}\n${p.text}`).join('\n\n');
  return delimit('context', text || '(no passage fits the question)');
}

/** The business's own instructions, where it has some: above the texts of others, below the task's rules. */
export const toBusiness = (prompt: string | undefined): string =>
  prompt === undefined
    ? ''
    : `\n\nThe business asks you to follow these instructions where they do not contradict the rules above:\n${delimit('business', prompt)}`;
