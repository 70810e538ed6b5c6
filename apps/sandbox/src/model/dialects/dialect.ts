/** The interface of a dialect: one provider's variant of OpenAI's chat completions, its usage and its errors. */
import type { ChatRequest } from '../request.ts';
import type { Tokens } from '../tokens.ts';

export type DialectName = 'openai' | 'xai' | 'google' | 'ollama' | 'deepseek';

/** What an answer says. `content` is null for a refusal, and for input that was blocked; `reasoning` may be empty. */
export type Said = { content: string | null; refusal: string | null; reasoning: string; finishReason: string };

const serverErrors = ['rate_limit', 'server_error', 'unavailable'] as const;
const accountErrors = ['unauthorized', 'unpaid', 'forbidden', 'unknown_model'] as const;
const requestErrors = ['bad_request', 'context_length', 'too_large'] as const;
export const errorKinds = [...serverErrors, ...accountErrors, ...requestErrors] as const;
export type ErrorKind = (typeof errorKinds)[number];

/**
 * An error of a dialect. xAI sends `type` as `code`, Google as `status`. `{model}`, `{input}` and `{limit}` in the
 * message are replaced by the request's model, its input tokens and the model's limit.
 */
export type ModelError = { status: number; type: string; message: string; code: string | null; param: string | null };

export function error(status: number, type: string, message: string, code?: string, param?: string): ModelError {
  return { status, type, message, code: code ?? null, param: param ?? null };
}

export type Dialect = {
  name: DialectName;
  /** What follows the sandbox's address in a client's base URL. */
  basePath: string;
  /** The fields that limit the output, in order of precedence; others are ignored. */
  limitFields: readonly ('max_completion_tokens' | 'max_tokens')[];
  contextTokens: number;
  requestIdHeader?: string;
  /** Whether the content begins with the reasoning, in a `<think>` block. */
  hasReasoningInContent?: boolean;
  fencesJson?: boolean;
  refusals?: readonly { if: (request: ChatRequest, isReasoningModel: boolean) => boolean; error: ModelError }[];
  envelope?: object;
  /** A choice without its index and finish reason. */
  writeChoice: (said: Said) => object;
  writeUsage: (usage: Tokens) => Record<string, unknown>;
  errors: Record<ErrorKind, ModelError>;
  /** How content is refused: by an error, by a finish reason, or only in the answer's text. */
  contentRefused: { error: ModelError } | { finishReason: string } | 'in_text';
  writeError: (error: ModelError, retryAfterS: number | undefined) => unknown;
};

/** A message whose content is the answer, or the refusal: most dialects have no field for one. */
export const plainMessage = ({ content, refusal }: Said): object => ({
  role: 'assistant',
  content: content ?? refusal ?? '',
});

export const plainUsage = ({ prompt_tokens, completion_tokens, total_tokens }: Tokens) => ({
  prompt_tokens,
  completion_tokens,
  total_tokens,
});

export const writeOpenAiError = ({ message, type, param, code }: ModelError): object => ({
  error: { message, type, param, code },
});
