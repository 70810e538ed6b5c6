/** The one door to the model. Nothing else in the repository may import `openai` (the linter sees to it). */
import type { Message } from '@tally/tasks';
import OpenAI, { APIConnectionError, APIConnectionTimeoutError, APIError } from 'openai';
import { retryAfterMs } from './retry-after.ts';

export type ModelRequest = {
  /** Sent along, so that a provider's record can be matched with the ledger's. */
  holdId: string;
  accountId: string;
  messages: Message[];
  maxOutputTokens: number;
  /** The JSON Schema that the answer must fit, in strict mode. */
  format?: { name: string; jsonSchema: Record<string, unknown> } | undefined;
  /** Measured from the call of {@link ModelClient.complete}. */
  timeoutMs: number;
  signal: AbortSignal;
};

export type ModelReply = {
  /** Null where the provider sent no usable choice. */
  text: string | null;
  refusal: boolean;
  cutOff: boolean;
  /** As the provider sent it, not yet believed. */
  reportedUsage: unknown;
  requestId: string | undefined;
};

/** A call that gave no answer. */
export class ModelCallError extends Error {
  override name = 'ModelCallError';
  readonly kind: 'unavailable' | 'timeout' | 'rejected' | 'aborted' | 'malformed';
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly requestId: string | undefined;

  constructor(
    kind: ModelCallError['kind'],
    options: {
      status?: number | undefined;
      /** The provider's own. */
      code?: string | undefined;
      retryAfterMs?: number | undefined;
      requestId?: string | undefined;
      cause?: unknown;
    },
  ) {
    const said = [options.status && `HTTP ${options.status}`, options.code].filter(Boolean).join(', ');
    super(
      `model call ${kind}${said && ` (${said})`}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.kind = kind;
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
    this.requestId = options.requestId;
  }
}

export type ModelClient = {
  name: string;
  /** Makes exactly one attempt: retries know about holds, and a library's would not. @throws ModelCallError */
  complete(request: ModelRequest): Promise<ModelReply>;
};

/** A client for any server that speaks OpenAI's chat completions. */
export function createModelClient(options: {
  apiKey: string;
  baseUrl: string | undefined;
  model: string;
  fetch?: typeof fetch;
}): ModelClient {
  const client = new OpenAI({
    apiKey: options.apiKey,
    baseURL: options.baseUrl ?? null,
    maxRetries: 0,
    logLevel: 'off',
    ...(options.fetch && { fetch: options.fetch }),
  });
  return {
    name: options.model,
    complete: async (request) => {
      // The library's own timeout ends with the headers; a body that drips would outlive the hold.
      const deadline = AbortSignal.timeout(request.timeoutMs);
      try {
        const { data, response } = await client.chat.completions
          .create(
            {
              model: options.model,
              messages: request.messages,
              max_completion_tokens: request.maxOutputTokens,
              user: request.accountId,
              ...(request.format && {
                response_format: {
                  type: 'json_schema',
                  json_schema: { name: request.format.name, schema: request.format.jsonSchema, strict: true },
                },
              }),
            },
            {
              timeout: request.timeoutMs,
              signal: AbortSignal.any([request.signal, deadline]),
              headers: { 'x-client-request-id': request.holdId },
            },
          )
          .withResponse();
        const choice = data.choices?.[0];
        return {
          text: choice?.message?.content ?? null,
          refusal: typeof choice?.message?.refusal === 'string' || choice?.finish_reason === 'content_filter',
          cutOff: choice?.finish_reason === 'length',
          reportedUsage: data.usage,
          requestId: response.headers.get('x-request-id') ?? undefined,
        };
      } catch (error) {
        if (request.signal.aborted) throw new ModelCallError('aborted', { cause: error });
        if (deadline.aborted) throw new ModelCallError('timeout', { cause: error });
        throw toModelCallError(error);
      }
    },
  };
}

/** A word, such as `context_length_exceeded`. */
const codeForm = /^[a-z][a-z_]{0,63}$/;

function toModelCallError(error: unknown): ModelCallError {
  if (error instanceof APIConnectionTimeoutError) return new ModelCallError('timeout', { cause: error });
  if (error instanceof APIConnectionError)
    return new ModelCallError(isUnknownHost(error) ? 'rejected' : 'unavailable', { cause: error });
  if (error instanceof APIError) {
    const { status } = error;
    const mayPass = status === undefined || [408, 409, 429].includes(status) || status >= 500;
    // Not as the cause: providers repeat the prompt in their errors, and our key in some, and the log says causes.
    return new ModelCallError(mayPass ? 'unavailable' : 'rejected', {
      status,
      code: codeForm.test(error.code ?? '') ? (error.code ?? undefined) : undefined,
      retryAfterMs: retryAfterMs(error.headers, Date.now()),
      requestId: error.requestID ?? undefined,
    });
  }
  // A 200 whose body is no JSON, or is cut short: the cause would quote it.
  return new ModelCallError('malformed', {});
}

/** A host name that does not exist will not exist a second later. */
function isUnknownHost(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ((cause as { code?: unknown }).code === 'ENOTFOUND') return true;
  return false;
}
