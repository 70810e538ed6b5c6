/** What a chat completion request may hold; the rest of OpenAI's parameters are accepted and ignored. */
import { z } from 'zod';

const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: z.string(),
});

const responseFormat = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    json_schema: z.object({ name: z.string().min(1).max(64), schema: z.record(z.string(), z.unknown()).default({}) }),
  }),
]);

const outputLimit = z.int().min(1).nullish();

const ChatRequest = z.object({
  model: z.string().min(1).max(256),
  messages: z.array(message).min(1),
  max_tokens: outputLimit,
  max_completion_tokens: outputLimit,
  response_format: responseFormat.nullish(),
  stream: z.literal(false, 'streams are not supported').nullish(),
  n: z.literal(1, 'only one choice is supported').nullish(),
  user: z.string().max(512).nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
});
export type ChatRequest = z.output<typeof ChatRequest>;
export type Message = ChatRequest['messages'][number];

/** A request, or which parameter is wrong and why. */
export function readChatRequest(body: string): { request: ChatRequest } | { param: string | null; message: string } {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return { param: null, message: 'We could not parse the JSON body of your request.' };
  }
  const parsed = ChatRequest.safeParse(json);
  if (parsed.success) return { request: parsed.data };
  const issue = parsed.error.issues[0];
  // `messages[0].content`, as OpenAI names parameters.
  const param = z.core.toDotPath(issue?.path ?? []) || null;
  return { param, message: `Invalid ${param === null ? 'request' : `'${param}'`}: ${issue?.message ?? 'not valid'}.` };
}

/** On whose behalf the request was made: the `user` field, else `metadata.account_id`. */
export const userOf = (request: ChatRequest): string | null => request.user ?? request.metadata?.account_id ?? null;

export const wantsJson = ({ response_format: format }: ChatRequest): boolean =>
  format?.type === 'json_object' || format?.type === 'json_schema';
