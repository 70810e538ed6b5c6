/** Plans a whole HTTP answer as plain data, so that nothing here touches a socket. */
import type { Outcome } from '../book.ts';
import type { Fault } from '../faults.ts';
import type { Settings } from '../settings.ts';
import { complete, measurePrompt, type Usage } from './completion.ts';
import { errorBody, type ModelError, modelErrors } from './errors.ts';
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

const noUsage: Usage = { promptTokens: 0, completionTokens: 0 };
const page = '<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>';

/** What `request` is answered, `fault` included; errors and pages use no tokens. */
export function planReply(request: ChatRequest, id: string, fault: Fault | undefined, settings: Settings): Reply {
  const error = errorOf(fault);
  if (error) return errorReply(error, retryHeaders(fault));
  if (fault?.kind === 'html')
    return { status: 200, headers: { 'content-type': 'text/html' }, body: page, outcome: 'garbled', usage: noUsage };
  const { promptTokens, tooLong } = measurePrompt(request);
  if (tooLong) return errorReply(modelErrors.context_length);

  const completion = complete(request, promptTokens, fault, settings);
  const options = { id, fault, includeUsage: request.stream_options?.include_usage === true };
  const body = request.stream === true ? writeStream(completion, options) : writeJson(completion, options);
  const garbled = fault?.kind === 'invalid_json';
  return {
    status: 200,
    headers: { 'content-type': request.stream === true ? 'text/event-stream; charset=utf-8' : 'application/json' },
    body: garbled ? body.slice(0, body.length / 2).toWellFormed() : body,
    outcome: garbled ? 'garbled' : 'answered',
    usage: completion.usage,
  };
}

/** An error in OpenAI's shape. */
export function errorReply(error: ModelError, headers: Record<string, string> = {}): Reply {
  return {
    status: error.status,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(errorBody(error)),
    outcome: 'error',
    usage: noUsage,
  };
}

function errorOf(fault: Fault | undefined): ModelError | undefined {
  switch (fault?.kind) {
    case 'rate_limit':
    case 'server_error':
    case 'unavailable':
    case 'bad_request':
    case 'unauthorized':
    case 'context_length':
      return modelErrors[fault.kind];
    default:
      return undefined;
  }
}

function retryHeaders(fault: Fault | undefined): Record<string, string> {
  return {
    ...(fault?.retry_after_s === undefined ? {} : { 'retry-after': String(fault.retry_after_s) }),
    ...(fault?.retry_after_ms === undefined ? {} : { 'retry-after-ms': String(fault.retry_after_ms) }),
  };
}
