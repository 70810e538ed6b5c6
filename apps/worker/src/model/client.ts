/** The model client: the only module that may import `openai`, which the linter enforces. */
import type { Message } from '@tally/tasks';
import OpenAI, { APIConnectionError, APIConnectionTimeoutError, APIError, APIUserAbortError } from 'openai';
import type { ChatCompletion, ChatCompletionCreateParamsNonStreaming } from 'openai/resources';
import { contextLimitOf, type FaultKind, faultOf } from './faults.ts';
import { textOf } from './reply.ts';
import { retryAfterMs, retryDelayMs } from './retry-after.ts';
import type { Traits } from './traits.ts';

export type ModelRequest = {
  /** Sent as the request id, so that a provider's record can be matched with the ledger's. */
  holdId: string;
  accountId: string;
  messages: Message[];
  maxOutputTokens: number;
  /** The JSON Schema that the answer must match; sent in strict mode to servers that support it. */
  format?: JsonFormat | undefined;
  /** Measured from the call of {@link ModelClient.complete}. */
  timeoutMs: number;
  signal: AbortSignal;
};
export type JsonFormat = { name: string; jsonSchema: Record<string, unknown> };

export type ModelReply = {
  /** Null if the provider sent no usable choice. */
  text: string | null;
  refusal: boolean;
  cutOff: boolean;
  /** As the provider sent it, not validated. */
  reportedUsage: unknown;
  requestId: string | undefined;
};

/** A model call that returned no answer. */
export class ModelCallError extends Error {
  override name = 'ModelCallError';
  readonly kind: Exclude<FaultKind, 'unknown_format' | 'unknown_cap'> | 'timeout' | 'aborted' | 'malformed';
  readonly status: number | undefined;
  /** The provider's own error code. */
  readonly code: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly requestId: string | undefined;
  /** The model's context limit, if the provider's error names it. */
  readonly limitTokens: number | undefined;

  constructor(
    kind: ModelCallError['kind'],
    options: Partial<Pick<ModelCallError, 'status' | 'code' | 'retryAfterMs' | 'requestId' | 'limitTokens'>> & {
      cause?: unknown;
    } = {},
  ) {
    const details = [options.status && `HTTP ${options.status}`, options.code].filter(Boolean).join(', ');
    super(
      `model call ${kind}${details && ` (${details})`}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.kind = kind;
    this.status = options.status;
    this.code = options.code;
    this.retryAfterMs = options.retryAfterMs;
    this.requestId = options.requestId;
    this.limitTokens = options.limitTokens;
  }
}

export type ModelClient = {
  name: string;
  /**
   * Makes exactly one call that the provider processes: every retry needs its own hold, which a library's retries would
   * not reserve. A request that the server did not understand is sent again in another form. @throws ModelCallError
   */
  complete(request: ModelRequest): Promise<ModelReply>;
};

type Form = Pick<ReturnType<Traits['current']>, 'jsonMode' | 'capField'>;
// Three ways to request JSON and two more for the cap: bounds the retries if a server rejects every form.
const maxForms = 5;

/** Prompt text that precedes the schema for servers that do not enforce one. */
export const schemaInstruction = 'Answer with JSON alone, and no other text. It must fit this JSON Schema:';

/** Creates a client for any server with OpenAI's chat completions API. */
export function createModelClient(options: {
  apiKey: string;
  baseUrl: string | undefined;
  model: string;
  traits: Traits;
  fetch?: typeof fetch;
}): ModelClient {
  const { traits } = options;
  const client = new OpenAI({
    apiKey: options.apiKey,
    baseURL: options.baseUrl ?? null,
    maxRetries: 0,
    logLevel: 'off',
    fetch: unwrapErrors(options.fetch ?? fetch),
  });

  async function send(request: ModelRequest, sent: Form, signal: AbortSignal): Promise<ModelReply> {
    const { data, response } = await client.chat.completions
      .create(toBody(options.model, request, sent), {
        timeout: request.timeoutMs,
        signal,
        headers: { 'x-client-request-id': request.holdId },
      })
      .withResponse();
    return toReply(data, response.headers.get('x-request-id') ?? undefined, request.format !== undefined);
  }

  return {
    name: options.model,
    complete: async (request) => {
      // The library's timeout stops at the headers; a slowly streamed body would outlive the hold.
      const deadline = AbortSignal.timeout(request.timeoutMs);
      const signal = AbortSignal.any([request.signal, deadline]);
      let form: Form = { ...traits.current() };
      let learnt: Partial<Form> = {};
      for (let forms = 1; ; forms++) {
        try {
          const reply = await send(request, form, signal);
          // Learn only after a success: the text of a refusal may quote the prompt and be misread.
          traits.learn(learnt);
          return reply;
        } catch (error) {
          if (request.signal.aborted && isAbort(error)) throw new ModelCallError('aborted', { cause: error });
          // No cause: it adds nothing to the timeout and may quote the prompt.
          if (deadline.aborted) throw new ModelCallError('timeout');
          if (error instanceof ModelCallError) throw error;
          const fault = readFault(error);
          const change = forms < maxForms ? nextForm(form, fault, traits.isCapSet) : undefined;
          if (change === undefined) throw toModelCallError(error, fault);
          learnt = { ...learnt, ...change };
          form = { ...form, ...change };
        }
      }
    },
  };
}

/** The change to make to a request form after a refusal; undefined if no other form is left. */
function nextForm(
  { jsonMode, capField }: Form,
  { kind, message }: { kind: FaultKind; message: string },
  isCapSet: boolean,
): Partial<Form> | undefined {
  if (kind === 'unknown_format' && jsonMode !== 'none')
    return { jsonMode: jsonMode === 'json_schema' ? 'json_object' : 'none' };
  if (kind !== 'unknown_cap' || isCapSet) return undefined;
  // The unsupported field is named first: "Unsupported parameter: 'max_tokens' … use 'max_completion_tokens'".
  const refused = /max_(?:completion_)?tokens/.exec(message)?.[0];
  const other = refused === 'max_tokens' ? 'max_completion_tokens' : 'max_tokens';
  return capField === other ? undefined : { capField: other };
}

/** Google's OpenAI endpoint wraps its error in a one-element array, which the library can't read. */
function unwrapErrors(send: typeof fetch): typeof fetch {
  return async (input, init) => {
    const response = await send(input, init);
    if (response.ok) return response;
    const body = parse(await response.clone().text());
    if (!Array.isArray(body)) return response;
    const { status, headers } = response;
    return new Response(JSON.stringify(body[0]), { status, headers });
  };
}

function toBody(
  model: string,
  { messages, maxOutputTokens, accountId, format }: ModelRequest,
  { jsonMode, capField }: Form,
): ChatCompletionCreateParamsNonStreaming {
  const base = {
    model,
    user: accountId,
    ...(capField !== 'max_tokens' && { max_completion_tokens: maxOutputTokens }),
    ...(capField !== 'max_completion_tokens' && { max_tokens: maxOutputTokens }),
  };
  if (format === undefined) return { ...base, messages };
  const { name, jsonSchema: schema } = format;
  if (jsonMode === 'json_schema')
    return {
      ...base,
      messages,
      response_format: { type: 'json_schema', json_schema: { name, schema, strict: true } },
    };
  const [first, ...rest] = messages;
  const schemaPrompt = `${first?.content ?? ''}\n\n${schemaInstruction}\n${JSON.stringify(schema)}`;
  const withSchema = [{ role: first?.role ?? 'system', content: schemaPrompt }, ...rest];
  return { ...base, messages: withSchema, ...(jsonMode === 'json_object' && { response_format: { type: jsonMode } }) };
}

// OpenAI's names, Google's own, which its OpenAI endpoint passes through, and Mistral's for a full context.
const refusedReasons = /^(?:content_filter|safety|prohibited_content|blocklist|spii|recitation|refusal)/;
const cutOffReasons = /^(?:length|max_tokens|model_length)$/;

/** Reads a 200 response. Some servers send its body as text, and gateways use it for errors. @throws ModelCallError */
function toReply(data: ChatCompletion | string, requestId: string | undefined, asJson: boolean): ModelReply {
  const body = (typeof data === 'string' ? parse(data) : data) as Partial<ChatCompletion> & { error?: unknown };
  if (typeof body !== 'object' || body === null) throw new ModelCallError('malformed', { requestId });
  if (body.error !== undefined && body.error !== null && !Array.isArray(body.choices)) {
    const { code } = body.error as { code?: unknown };
    const status = typeof code === 'number' && code >= 400 ? code : undefined;
    const error = new APIError(status, body.error as object, undefined, new Headers());
    throw toModelCallError(error, readFault(error));
  }
  const choice = Array.isArray(body.choices) ? body.choices[0] : undefined;
  const reason = String(choice?.finish_reason ?? '').toLowerCase();
  // OpenRouter and others report an upstream failure this way.
  if (reason === 'error') throw new ModelCallError('unavailable', { requestId });
  return {
    text: textOf(choice?.message?.content, asJson),
    // Some servers send an empty `refusal` with every answer.
    refusal: Boolean(choice?.message?.refusal) || refusedReasons.test(reason),
    cutOff: cutOffReasons.test(reason),
    reportedUsage: body.usage,
    requestId,
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch {
    return undefined;
  }
}

/** Any other error keeps its kind even if the signal is aborted: a refused call is not billed. */
const isAbort = (error: unknown): boolean =>
  error instanceof APIUserAbortError || (error instanceof Error && error.name === 'AbortError');

// Longer error texts quote the request.
const messageCharacters = 1_000;

function readFault(error: unknown): { kind: FaultKind; message: string } {
  if (!(error instanceof APIError) || error instanceof APIConnectionError) return { kind: 'unavailable', message: '' };
  const text = (value: unknown) => (typeof value === 'string' ? value.slice(0, messageCharacters).toLowerCase() : '');
  // The library prefixes the server's message with the status.
  const message = text(error.message.replace(/^\d{3} /, ''));
  const details = { code: text(error.code), type: text(error.type), param: text(error.param), message };
  return { kind: faultOf({ status: error.status, ...details }), message: `${details.param} ${message}` };
}

/** A plain identifier, such as `context_length_exceeded`; anything else may quote the request. */
const codeForm = /^[a-z][a-z_]{0,63}$/;

function toModelCallError(error: unknown, fault: { kind: FaultKind; message: string }): ModelCallError {
  if (error instanceof APIConnectionTimeoutError) return new ModelCallError('timeout', { cause: error });
  if (error instanceof APIConnectionError)
    return new ModelCallError(isUnknownHost(error) ? 'operator' : 'unavailable', { cause: error });
  // A 200 whose body is not JSON or is truncated; no cause, since it would quote the body.
  if (!(error instanceof APIError)) return new ModelCallError('malformed');
  const kind = fault.kind === 'unknown_format' || fault.kind === 'unknown_cap' ? 'rejected' : fault.kind;
  // No cause: providers repeat the prompt, and some the API key, in their errors, and causes are logged.
  return new ModelCallError(kind, {
    status: error.status,
    code: codeForm.test(error.code ?? '') ? (error.code ?? undefined) : undefined,
    retryAfterMs: retryAfterMs(error.headers, Date.now()) ?? retryDelayMs(error.error),
    requestId: error.requestID ?? undefined,
    limitTokens: kind === 'too_large' ? (contextSizeIn(error.error) ?? contextLimitOf(fault.message)) : undefined,
  });
}

/** llama.cpp sends the context size in a field beside its message. */
function contextSizeIn(error: object | undefined): number | undefined {
  const { n_ctx: tokens } = (error ?? {}) as { n_ctx?: unknown };
  return typeof tokens === 'number' && Number.isSafeInteger(tokens) && tokens > 0 ? tokens : undefined;
}

/** Whether the host name does not exist, which means that the operator's base URL is wrong. */
function isUnknownHost(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ((cause as { code?: unknown }).code === 'ENOTFOUND') return true;
  return false;
}
