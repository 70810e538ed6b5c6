/** Plans a whole HTTP answer as plain data, so that nothing here touches a socket. */
import type { Outcome } from '../book.ts';
import type { ChosenFault } from '../faults.ts';
import type { Settings } from '../settings.ts';
import { complete, measurePrompt } from './completion.ts';
import type { Dialect, ErrorKind, ModelError, Usage } from './dialects/dialect.ts';
import type { ChatRequest } from './request.ts';
import { writeJson, writeStream } from './wire.ts';

export type Reply = {
  status: number;
  headers: Record<string, string>;
  body: string;
  /** What the book says once all of it was written. */
  outcome: Outcome;
  usage: Usage;
};

const noUsage: Usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 };
const page = '<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>';
/** The default Retry-After of a rule with a rate. */
const defaultRetryAfterS = 1;

/** What `request` is answered, `fault` included; errors and pages use no tokens. */
export function planReply(
  dialect: Dialect,
  request: ChatRequest,
  options: { id: string; fault: ChosenFault | undefined; settings: Settings },
): Reply {
  const { id, fault, settings } = options;
  const { promptTokens, isTooLong } = measurePrompt(dialect, request);
  const about = { fault, model: request.model, inputTokens: promptTokens };
  const error = errorOf(dialect, fault) ?? (isTooLong ? dialect.errors.context_length : undefined);
  if (error) return errorReply(dialect, error, about);
  if (fault?.kind === 'html')
    return { status: 200, headers: { 'content-type': 'text/html' }, body: page, outcome: 'garbled', usage: noUsage };

  const completion = complete({ dialect, request, promptTokens, fault, settings });
  const wire = { dialect, id, fault, includeUsage: request.stream_options?.include_usage === true };
  const body = request.stream === true ? writeStream(completion, wire) : writeJson(completion, wire);
  const garbled = fault?.kind === 'invalid_json';
  return {
    status: 200,
    headers: { 'content-type': request.stream === true ? 'text/event-stream; charset=utf-8' : 'application/json' },
    body: garbled ? body.slice(0, body.length / 2).toWellFormed() : body,
    outcome: garbled ? 'garbled' : 'answered',
    usage: completion.usage,
  };
}

/** What an error's message and headers depend on. */
export type ErrorContext = { fault?: ChosenFault | undefined; model?: string; inputTokens?: number };

/** An error in the dialect's form. */
export function errorReply(
  dialect: Dialect,
  error: ModelError,
  { fault, model = '', inputTokens = 0 }: ErrorContext = {},
): Reply {
  const message = error.message
    .replaceAll('{model}', model)
    .replaceAll('{input}', String(inputTokens))
    .replaceAll('{limit}', String(dialect.contextTokens));
  const retryAfterS = fault?.retry_after_s ?? (fault?.allow_per_second === undefined ? undefined : defaultRetryAfterS);
  return {
    status: fault?.status ?? error.status,
    headers: {
      'content-type': 'application/json',
      ...(retryAfterS !== undefined && { 'retry-after': String(retryAfterS) }),
      ...(fault?.retry_after_ms !== undefined && { 'retry-after-ms': String(fault.retry_after_ms) }),
    },
    body: JSON.stringify(dialect.writeError({ ...error, message }, retryAfterS)),
    outcome: 'error',
    usage: noUsage,
  };
}

/** The refusal of a combination of parameters, where the dialect refuses it. */
export function refuse(dialect: Dialect, request: ChatRequest, settings: Settings): Reply | undefined {
  const isReasoningModel = settings.reasoning_tokens > 0;
  const refusal = dialect.refusals.find((one) => one.if(request, isReasoningModel));
  return refusal && errorReply(dialect, refusal.error);
}

/** A 400 that names the parameter at fault. */
export function badRequest(dialect: Dialect, param: string | null, message: string): Reply {
  return errorReply(dialect, { ...dialect.errors.bad_request, param, message });
}

function errorOf({ errors, contentRefused }: Dialect, fault: ChosenFault | undefined): ModelError | undefined {
  if (fault === undefined) return undefined;
  if (fault.kind !== 'content_refused')
    return Object.hasOwn(errors, fault.kind) ? errors[fault.kind as ErrorKind] : undefined;
  return typeof contentRefused === 'object' && 'error' in contentRefused ? contentRefused.error : undefined;
}
