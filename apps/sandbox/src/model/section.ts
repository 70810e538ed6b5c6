/** Reads a prompt's parts: the text between tags, and the JSON Schema of the answer. */
import type { ChatRequest, Message } from './request.ts';

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

type Schema = Record<string, unknown>;

/** The schema of a request's answer: from its format, or from its messages where the format is any JSON object. */
export function readSchema({ response_format, messages }: ChatRequest): Schema | undefined {
  if (response_format?.type === 'json_schema') return response_format.json_schema.schema ?? {};
  if (response_format?.type !== 'json_object') return undefined;
  for (const { content } of messages) {
    const found = findSchema(content);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether the answer's schema has this property. */
export const wantsProperty = (request: ChatRequest, name: string): boolean =>
  Object.hasOwn(Object(readSchema(request)?.properties), name);

/** The first object schema within `text`. */
function findSchema(text: string): Schema | undefined {
  for (const { index } of text.matchAll(/\{(?=\s*"(?:\$schema|type|title|properties)")/g)) {
    const schema = parseAt(text, index);
    if (schema?.type === 'object' && typeof schema.properties === 'object') return schema;
  }
  return undefined;
}

/** The JSON object that begins at `start`. */
function parseAt(text: string, start: number): Schema | undefined {
  let depth = 0;
  for (const { 0: token, index } of text.slice(start).matchAll(/"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === '{') depth += 1;
    if (token === '}') depth -= 1;
    if (depth > 0) continue;
    try {
      return JSON.parse(text.slice(start, start + index + 1)) as Schema;
    } catch {
      return undefined;
    }
  }
  return undefined;
}
