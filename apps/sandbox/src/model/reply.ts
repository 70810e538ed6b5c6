/** Plans a whole HTTP answer as plain data, so that nothing here touches a socket. */
import type { Outcome } from '../book.ts';
import type { ChosenFault } from '../faults.ts';
import { type Asked, type Completion, complete } from './completion.ts';
import type { Dialect, ErrorKind, ModelError } from './dialects/dialect.ts';
import { countPromptTokens, noTokens, type Tokens } from './tokens.ts';

export type Reply = {
  status: number;
  headers: Record<string, string>;
  body: string;
  /** What the book says once all of it was written. */
  outcome: Outcome;
  usage: Tokens;
};

const page = '<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>';
const defaultRetryAfterS = 1;
const json = { 'content-type': 'application/json' };

/** What a request is answered, its fault included; errors and pages use no tokens. */
export function planReply(dialect: Dialect, asked: Asked): Reply {
  const { request, fault } = asked;
  const promptTokens = countPromptTokens(request.messages);
  const tooLong = promptTokens > dialect.contextTokens ? dialect.errors.context_length : undefined;
  const error = errorOf(dialect, fault) ?? tooLong;
  const facts = { model: request.model, input: promptTokens, limit: dialect.contextTokens };
  if (error) return errorReply(dialect, error, fault, facts);
  if (fault?.kind === 'html')
    return { status: 200, headers: { 'content-type': 'text/html' }, body: page, outcome: 'garbled', usage: noTokens };

  const completion = complete({ dialect, promptTokens, ...asked });
  const body = writeBody(dialect, completion, asked);
  const answered = { status: 200, headers: json, usage: completion.usage };
  if (fault?.kind !== 'invalid_json') return { ...answered, body, outcome: 'answered' };
  return { ...answered, body: body.slice(0, body.length / 2).toWellFormed(), outcome: 'garbled' };
}

function writeBody(dialect: Dialect, completion: Completion, { request, id, fault }: Asked): string {
  const choice = { index: 0, ...dialect.writeChoice(completion), finish_reason: completion.finishReason };
  const written = dialect.writeUsage(completion.usage);
  const bend = absurdities[fault?.usage ?? 'negative'];
  const bent = Object.entries(written).map(([name, value]) => [name, typeof value === 'number' ? bend(value) : value]);
  return JSON.stringify({
    id,
    object: 'chat.completion',
    created: Math.floor(Date.now() / 1_000),
    model: request.model,
    choices: fault?.kind === 'empty_choices' ? [] : [choice],
    usage: fault?.kind === 'no_usage' ? undefined : fault?.kind === 'absurd_usage' ? Object.fromEntries(bent) : written,
    ...dialect.envelope,
  });
}

const absurdities = {
  negative: (tokens: number) => -tokens,
  fractional: (tokens: number) => tokens + 0.5,
  huge: (tokens: number) => tokens + 1e15,
  strings: String,
};

/** An error in the dialect's form; `facts` are for its message. */
export function errorReply(
  dialect: Dialect,
  error: ModelError,
  fault?: ChosenFault,
  facts: Record<string, string | number> = {},
): Reply {
  const message = error.message.replace(/\{(\w+)\}/g, (_, name: string) => String(facts[name]));
  const retryAfterS = fault?.retry_after_s ?? (fault?.allow_per_second === undefined ? undefined : defaultRetryAfterS);
  return {
    status: fault?.status ?? error.status,
    headers: {
      ...json,
      ...(retryAfterS !== undefined && { 'retry-after': String(retryAfterS) }),
      ...(fault?.retry_after_ms !== undefined && { 'retry-after-ms': String(fault.retry_after_ms) }),
    },
    body: JSON.stringify(dialect.writeError({ ...error, message }, retryAfterS)),
    outcome: 'error',
    usage: noTokens,
  };
}

export const badRequest = (dialect: Dialect, param: string | null, message: string): Reply =>
  errorReply(dialect, { ...dialect.errors.bad_request, param, message });

function errorOf({ errors, contentRefused }: Dialect, fault: ChosenFault | undefined): ModelError | undefined {
  if (fault?.kind === 'content_refused')
    return typeof contentRefused === 'object' && 'error' in contentRefused ? contentRefused.error : undefined;
  return fault && Object.hasOwn(errors, fault.kind) ? errors[fault.kind as ErrorKind] : undefined;
}
