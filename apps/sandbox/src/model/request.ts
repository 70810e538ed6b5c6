/** What a chat completion request may hold; the rest of OpenAI's parameters are accepted and ignored. */
import { z } from 'zod';

const textPart = z.object({ type: z.literal('text', 'only text parts are supported'), text: z.string() });
const content = z
  .union([z.string(), z.array(textPart).min(1)])
  .transform((given) => (typeof given === 'string' ? given : given.map((part) => part.text).join('')));

const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  // An assistant's message that only called a tool has no content.
  content: content.nullish().transform((text) => text ?? ''),
});

const jsonSchemaFormat = z.object({
  type: z.literal('json_schema'),
  json_schema: z.object({
    name: z.string().min(1).max(64),
    schema: z.record(z.string(), z.unknown()).optional(),
    strict: z.boolean().nullish(),
  }),
});

const outputLimit = z.int().min(1).nullish();

const ChatRequest = z.object({
  model: z.string().min(1).max(256),
  messages: z.array(message).min(1),
  max_tokens: outputLimit,
  max_completion_tokens: outputLimit,
  response_format: z
    .discriminatedUnion('type', [
      z.object({ type: z.literal('text') }),
      z.object({ type: z.literal('json_object') }),
      jsonSchemaFormat,
    ])
    .nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  n: z.literal(1, 'only one choice is supported').nullish(),
  user: z.string().max(512).nullish(),
  // OpenAI's limits.
  metadata: z
    .record(z.string().max(64), z.string().max(512))
    .refine((pairs) => Object.keys(pairs).length <= 16, 'at most 16 keys')
    .nullish(),
  seed: z.int().nullish(),
});
export type ChatRequest = z.output<typeof ChatRequest>;
export type Message = ChatRequest['messages'][number];

/** A request, or which parameter is wrong and why. */
export type ParsedRequest = { request: ChatRequest } | { param: string | null; message: string };

/** Parses the body of `POST /v1/chat/completions`. */
export function readChatRequest(body: Buffer): ParsedRequest {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    return { param: null, message: 'We could not parse the JSON body of your request.' };
  }
  const parsed = ChatRequest.safeParse(json);
  if (parsed.success) return { request: parsed.data };
  const issue = parsed.error.issues[0];
  const param = issue === undefined || issue.path.length === 0 ? null : nameOf(issue.path);
  return { param, message: `Invalid ${param === null ? 'request' : `'${param}'`}: ${issue?.message ?? 'not valid'}.` };
}

/** On whose behalf the request was made: the `user` field, else `metadata.account_id`. */
export const userOf = (request: ChatRequest): string | null => request.user ?? request.metadata?.account_id ?? null;

/** `messages[0].content`, as OpenAI names parameters. */
function nameOf(path: PropertyKey[]): string {
  return path
    .map((key, place) => (typeof key === 'number' ? `[${key}]` : `${place > 0 ? '.' : ''}${String(key)}`))
    .join('');
}
