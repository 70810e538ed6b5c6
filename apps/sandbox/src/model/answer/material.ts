/** Takes a conversation apart: what is asked, and the material that an answer can come from. */
import type { Message } from '../request.ts';

export type Material = {
  /** The last user message, without its sections. */
  question: string;
  /** What the user said right before. */
  earlier: string;
  /** The sections, or the longest other message where there are none; empty where there is nothing but the question. */
  text: string;
  /** Whether the instructions show how sources are cited: `[1]`. */
  cites: boolean;
};

/** `<tag>` to `</tag>`, of any name, is how prompts set material apart from instructions. */
const section = /^[ \t]*<([a-z_]+)>([\s\S]*?)<\/\1>/gim;

export function readMaterial(messages: readonly Message[]): Material {
  const prompts = messages.filter(({ role }) => role !== 'assistant' && role !== 'tool').map(({ content }) => content);
  const asked = messages.filter(({ role }) => role === 'user').map(({ content }) => content);
  const last = asked.at(-1) ?? '';
  const sections = prompts.flatMap((prompt) => Array.from(prompt.matchAll(section), ([, , text = '']) => text.trim()));
  const numbered = sections.filter((text) => /^\[\d+\]/m.test(text));
  const others = prompts.filter((prompt) => prompt !== last).sort((a, b) => b.length - a.length);
  return {
    question: last.replace(section, '').trim(),
    earlier: asked.at(-2) ?? '',
    text: sections.length === 0 ? (others[0] ?? '') : (numbered.length > 0 ? numbered : sections).join('\n\n'),
    cites: prompts.some((prompt) => /\[\d\]/.test(prompt.replace(section, ''))),
  };
}
