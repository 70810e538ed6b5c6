/** A dialect's routes: `POST …/chat/completions` and `GET …/models`. */
import { randomUUID } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Logger } from '@tally/core';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import type { Book, BookEntry } from '../book.ts';
import { type ChosenFault, type Faults, parseFaultHeader } from '../faults.ts';
import { maxBodyBytes, waitUnlessGone } from '../http.ts';
import type { Settings } from '../settings.ts';
import { deliver } from './deliver.ts';
import type { Dialect } from './dialects/dialect.ts';
import { badRequest, errorReply, planReply, type Reply } from './reply.ts';
import { type ChatRequest, readChatRequest, userOf } from './request.ts';

const slowMs = 1_000;

export type ModelServices = {
  book: Book;
  faults: Faults;
  settings: { current: Settings };
  apiKey: string | undefined;
  logger: Logger | undefined;
};

/** What is said, and how it is put on the wire. */
type Plan = { reply: Reply; fault?: ChosenFault | undefined };

type ModelContext = Context<{ Bindings: HttpBindings }>;

export function createModelRoutes(services: ModelServices, dialect: Dialect): Hono {
  const routes = new Hono<{ Bindings: HttpBindings }>();
  const { unauthorized, too_large } = dialect.errors;
  const refuse = (error: typeof unauthorized): Response => {
    const { status, headers, body } = errorReply(dialect, error);
    return new Response(body, { status, headers });
  };
  routes.post('/chat/completions', bodyLimit({ maxSize: maxBodyBytes, onError: () => refuse(too_large) }), (c) =>
    answerChat(services, dialect, c),
  );
  // Names to choose from; chat completions take any. Dated as gpt-4o-mini is: 2024-07-18, in Unix seconds.
  const model = { object: 'model', created: 1_721_260_800, owned_by: 'tally-sandbox' };
  const data = ['gpt-4o-mini', 'gpt-4o', 'gpt-4.1-mini', 'sandbox'].map((id) => ({ id, ...model }));
  routes.get('/models', (c) => (isAuthorized(c, services) ? c.json({ object: 'list', data }) : refuse(unauthorized)));
  return routes as unknown as Hono;
}

async function answerChat(services: ModelServices, dialect: Dialect, c: ModelContext): Promise<Response> {
  const id = `chatcmpl-${randomUUID()}`;
  const request_id = `req_${randomUUID()}`;
  const { outgoing } = c.env;
  if (dialect.requestIdHeader !== undefined) outgoing.setHeader(dialect.requestIdHeader, request_id);
  const parsed = readChatRequest(await c.req.text());
  const request = 'request' in parsed ? parsed.request : undefined;
  const entry = services.book.open({
    id,
    request_id,
    dialect: dialect.name,
    model: request?.model ?? null,
    user: request ? userOf(request) : null,
    metadata: request?.metadata ?? null,
    key: c.req.header('x-client-request-id') || null,
  });
  let plan: Plan;
  if (!isAuthorized(c, services)) plan = { reply: errorReply(dialect, dialect.errors.unauthorized) };
  else if ('request' in parsed) plan = planFor(services, dialect, parsed.request, id, c.req.header('x-sandbox-fault'));
  else plan = { reply: badRequest(dialect, parsed.param, parsed.message) };
  await answerWith(services, outgoing, entry, plan);
  return RESPONSE_ALREADY_SENT;
}

function planFor(
  { faults, settings: { current: settings }, logger }: ModelServices,
  dialect: Dialect,
  request: ChatRequest,
  id: string,
  faultHeader: string | undefined,
): Plan {
  // Before a rule is asked: a request that is sent again in another form shall not use up its turns.
  const refusal = dialect.refusals?.find((one) => one.if(request, settings.reasoning_tokens > 0));
  if (refusal) return { reply: errorReply(dialect, refusal.error) };
  const contains = (text: string) => request.messages.some(({ content }) => content.includes(text));
  try {
    const fault = faultHeader
      ? parseFaultHeader(faultHeader)
      : faults.pick({ dialect: dialect.name, user: userOf(request), contains });
    return { reply: planReply(dialect, { request, id, fault, settings }), fault };
  } catch (error) {
    if (error instanceof z.ZodError) return { reply: badRequest(dialect, 'x-sandbox-fault', z.prettifyError(error)) };
    logger?.error({ err: error }, 'the sandbox model failed');
    return { reply: errorReply(dialect, dialect.errors.server_error) };
  }
}

async function answerWith(
  { book, settings }: ModelServices,
  response: HttpBindings['outgoing'],
  entry: BookEntry,
  { reply, fault }: Plan,
): Promise<void> {
  Object.assign(entry, reply.usage, { fault: fault?.kind ?? null });
  if (fault?.kind === 'hang') entry.status = 'hang';
  let cutByUs = false;
  response.once('close', () => {
    const aborted = !cutByUs && !response.writableFinished;
    const status = entry.status ?? (response.headersSent ? reply.status : null);
    if (cutByUs) book.close(entry, { status: 'reset', outcome: 'reset', aborted });
    else book.close(entry, { status, outcome: aborted ? 'aborted' : reply.outcome, aborted });
  });

  const delayMs = settings.current.delay_ms + (fault?.delay_ms ?? (fault?.kind === 'slow' ? slowMs : 0));
  if (delayMs > 0) await waitUnlessGone(response, delayMs);
  cutByUs = fault?.kind === 'reset' && !response.destroyed;
  await deliver(response, reply, fault);
}

const isAuthorized = (c: ModelContext, { apiKey }: ModelServices): boolean =>
  apiKey === undefined || c.req.header('authorization') === `Bearer ${apiKey}`;
