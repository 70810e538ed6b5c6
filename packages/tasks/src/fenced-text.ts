/** Putting other people's texts into a prompt: fenced by tags that the text itself can't close. */
import type { KnowledgePassage } from './context.ts';

const tagNames = ['context', 'business', 'source', 'existing', 'prompt', 'page'];
const anyTag = new RegExp(`</?\\s*(?:${tagNames.join('|')})\\s*>`, 'gi');

/** A text without any of the tags that fence texts; what stripping might put together is stripped again. */
export function withoutTags(text: string): string {
  let stripped = text;
  for (let before = ''; before !== stripped; ) {
    before = stripped;
    stripped = stripped.replaceAll(anyTag, '');
  }
  return stripped;
}

/** `<tag>` around a text that can't end it. */
export const fenced = (tag: string, text: string): string => `<${tag}>\n${withoutTags(text)}\n</${tag}>`;

/** Numbered passages as the model cites them; with none the context says so. */
export function toContext(passages: Pick<KnowledgePassage, 'title' | 'text'>[]): string {
  const text = passages.map((p, i) => `[${i + 1}] ${p.title}\n${p.text}`).join('\n\n');
  return fenced('context', text || '(no passage fits the question)');
}

/** The business's own instructions, where it has some: above the texts of others, below the task's rules. */
export const toBusiness = (prompt: string | undefined): string =>
  prompt === undefined
    ? ''
    : `\n\nThe business asks you to follow these instructions where they do not contradict the rules above:\n${fenced('business', prompt)}`;
