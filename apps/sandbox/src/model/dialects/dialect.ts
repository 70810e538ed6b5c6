/** The interface of a dialect: one provider's variant of OpenAI's chat completions, its usage and its errors. */
import type { ChatRequest } from '../request.ts';

export type DialectName = 'openai' | 'xai' | 'google' | 'ollama' | 'deepseek';

/** In tokens, as the book keeps them: cached tokens are part of the prompt, reasoning tokens of the completion. */
export type Usage = {
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  reasoningTokens: number;
};

/** The content of an answer. */
export type Said = {
  /** Null for a refusal, and for input that was blocked. */
  content: string | null;
  refusal: string | null;
  /** Empty where the model has none. */
  reasoning: string;
  finishReason: string;
};

/** The errors that every dialect has in its own form. */
export const errorKinds = [
  'rate_limit',
  'server_error',
  'unavailable',
  'bad_request',
  'unauthorized',
  'unpaid',
  'forbidden',
  'unknown_model',
  'context_length',
  'too_large',
] as const;
export type ErrorKind = (typeof errorKinds)[number];

/**
 * An error of a dialect. xAI sends `type` as `code`, Google as `status`. `{model}`, `{input}` and `{limit}` in the
 * message are replaced by the request's model, its input tokens and the model's limit.
 */
export type ModelError = { status: number; message: string; type: string; param?: string | null; code?: string | null };

/** A combination of parameters that the provider rejects. */
type Refusal = { if: (request: ChatRequest, isReasoningModel: boolean) => boolean; error: ModelError };

export type Dialect = {
  name: DialectName;
  /** What follows the sandbox's address in a client's base URL. */
  basePath: string;
  /** The fields that limit the output, in order of precedence; others are ignored. */
  limitFields: readonly ('max_completion_tokens' | 'max_tokens')[];
  /** The limit of the prompt. */
  contextTokens: number;
  /** Undefined: answers have no request id. */
  requestIdHeader: string | undefined;
  /** Whether the content begins with the reasoning, in a `<think>` block. */
  hasReasoningInContent: boolean;
  /** Whether some JSON answers come in a code fence. */
  fencesJson: boolean;
  refusals: readonly Refusal[];
  /** Further fields of every answer. */
  envelope: object;
  /** A choice without its index and finish reason. */
  writeChoice: (said: Said) => object;
  writeUsage: (usage: Usage) => Record<string, unknown>;
  errors: Record<ErrorKind, ModelError>;
  /** How content is refused: by an error, by a finish reason, or only in the answer's text. */
  contentRefused: { error: ModelError } | { finishReason: string } | 'in_text';
  /** The body of an error. */
  writeError: (error: ModelError, retryAfterS: number | undefined) => unknown;
};

/** A message whose content is the answer, or the refusal: most dialects have no field for one. */
export const plainMessage = ({ content, refusal }: Said): object => ({
  role: 'assistant',
  content: content ?? refusal ?? '',
});

/** The body of an error in OpenAI's form. */
export const writeOpenAiError = ({ message, type, param = null, code = null }: ModelError): object => ({
  error: { message, type, param, code },
});
