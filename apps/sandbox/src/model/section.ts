/** Finds the parts of a prompt that stand between tags: a page, a source, what is there already. */
import type { Message } from './request.ts';

/** What stands between `<name>` and `</name>` in the newest message that has it; to the end where the tag isn't closed. */
export function readSection(messages: readonly Message[], name: string): string | undefined {
  const pattern = new RegExp(`^[ \\t]*<${name}>([\\s\\S]*?)(?:</${name}>|$(?![\\s\\S]))`, 'im');
  for (const { role, content } of messages.toReversed()) {
    if (role === 'assistant' || role === 'tool') continue;
    const inside = pattern.exec(content)?.[1];
    if (inside !== undefined) return inside.trim();
  }
  return undefined;
}

/** The name of the JSON schema that a request wants its answer in. */
export const schemaNameOf = (
  format: { type: string; json_schema?: { name: string } } | null | undefined,
): string | undefined => format?.json_schema?.name;
