/** `POST …/chat/completions` in every dialect, on plain node:http: faults need the socket, and benchmarks need the speed. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '@tally/core';
import { z } from 'zod';
import { readBody } from '../body.ts';
import type { Book, BookEntry } from '../book.ts';
import { type Fault, type Faults, parseFaultHeader } from '../faults.ts';
import type { Settings } from '../settings.ts';
import { waitUnlessGone } from '../wait.ts';
import { delayOf, deliver } from './deliver.ts';
import type { Dialect } from './dialects/dialect.ts';
import { badRequest, errorReply, planReply, type Reply, refuse } from './reply.ts';
import { type ChatRequest, readChatRequest, userOf } from './request.ts';

export type ChatServices = {
  book: Book;
  faults: Faults;
  /** Read anew for every request: it can be changed while the sandbox runs. */
  settings: () => Settings;
  /** Undefined: every key is good. */
  apiKey: string | undefined;
  logger: Logger | undefined;
};

/** What is said, and how it is put on the wire. */
type Plan = { reply: Reply; fault?: Fault | undefined };

export type ChatHandler = (dialect: Dialect, request: IncomingMessage, response: ServerResponse) => void;

/** Answers chat completions and writes each into the book. */
export function createChatHandler(services: ChatServices): ChatHandler {
  return (dialect, request, response) => {
    serve(services, dialect, request, response).catch((err: unknown) => {
      services.logger?.error({ err }, 'the sandbox could not write a chat completion');
      response.destroy();
    });
  };
}

async function serve(
  services: ChatServices,
  dialect: Dialect,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const id = `chatcmpl-${randomUUID()}`;
  const requestId = `req_${randomUUID()}`;
  if (dialect.requestIdHeader !== undefined) response.setHeader(dialect.requestIdHeader, requestId);
  const body = await readBody(incoming);
  if (body === 'gone') return;
  const parsed = body === 'too_large' ? undefined : readChatRequest(body);
  const request = parsed && 'request' in parsed ? parsed.request : undefined;
  const entry = services.book.open({
    id,
    request_id: requestId,
    dialect: dialect.name,
    model: request?.model ?? null,
    user: request ? userOf(request) : null,
    metadata: request?.metadata ?? null,
    key: headerOf(incoming, 'x-client-request-id') ?? null,
  });

  let plan: Plan;
  if (!isAuthorized(incoming, services.apiKey)) plan = { reply: errorReply(dialect, dialect.errors.unauthorized) };
  else if (parsed === undefined) plan = { reply: errorReply(dialect, dialect.errors.too_large) };
  else if ('request' in parsed) plan = planFor(services, dialect, { incoming, request: parsed.request, id });
  else plan = { reply: badRequest(dialect, parsed.param, parsed.message) };
  await answerWith(services, response, entry, plan);
}

function planFor(
  services: ChatServices,
  dialect: Dialect,
  { incoming, request, id }: { incoming: IncomingMessage; request: ChatRequest; id: string },
): Plan {
  // Before a rule is asked: a request that is sent again in another form shall not use up its turns.
  const refusal = refuse(dialect, request, services.settings());
  if (refusal) return { reply: refusal };
  const header = headerOf(incoming, 'x-sandbox-fault');
  try {
    const fault =
      header === undefined
        ? services.faults.pick({
            dialect: dialect.name,
            user: userOf(request),
            contains: (text) => request.messages.some(({ content }) => content.includes(text)),
          })
        : parseFaultHeader(header);
    return { reply: planReply(dialect, request, { id, fault, settings: services.settings() }), fault };
  } catch (error) {
    if (error instanceof z.ZodError) return { reply: badRequest(dialect, 'x-sandbox-fault', z.prettifyError(error)) };
    services.logger?.error({ err: error }, 'the sandbox model failed');
    return { reply: errorReply(dialect, dialect.errors.server_error) };
  }
}

async function answerWith(
  services: ChatServices,
  response: ServerResponse,
  entry: BookEntry,
  { reply, fault }: Plan,
): Promise<void> {
  entry.fault = fault?.kind ?? null;
  entry.prompt_tokens = reply.usage.promptTokens;
  entry.cached_tokens = reply.usage.cachedTokens;
  entry.completion_tokens = reply.usage.completionTokens;
  entry.reasoning_tokens = reply.usage.reasoningTokens;
  entry.total_tokens = reply.usage.promptTokens + reply.usage.completionTokens;
  if (fault?.kind === 'hang') entry.status = 'hang';
  let cutByUs = false;
  response.once('close', () => {
    const aborted = !cutByUs && !response.writableFinished;
    services.book.close(entry, {
      status: cutByUs ? 'reset' : (entry.status ?? (response.headersSent ? reply.status : null)),
      outcome: cutByUs ? 'reset' : aborted ? 'aborted' : reply.outcome,
      aborted,
    });
  });

  const delayMs = delayOf(fault, services.settings().delay_ms);
  if (delayMs > 0) await waitUnlessGone(response, delayMs);
  cutByUs = fault?.kind === 'reset' && !response.destroyed;
  await deliver(response, reply, fault);
}

function isAuthorized(incoming: IncomingMessage, apiKey: string | undefined): boolean {
  return apiKey === undefined || incoming.headers.authorization === `Bearer ${apiKey}`;
}

function headerOf(incoming: IncomingMessage, name: string): string | undefined {
  const value = incoming.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
