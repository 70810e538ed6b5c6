/** The Graph API under `/graph`: the calls that an integration makes, with or without a version in their path. */
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { waitUnlessGone } from '../http.ts';
import { errorOf, type GraphCall } from './faults.ts';
import type { GraphPlan, GraphRequest, GraphServices } from './graph-call.ts';
import { graphErrorBody, graphErrors } from './graph-errors.ts';
import { reads } from './graph-reads.ts';
import { planSend } from './send.ts';
import type { SendEntry } from './sends.ts';
import { derivedId, idInToken } from './threads.ts';

const slowMs = 1_000;
const gatewayPage = '<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>';

const object = '/:id{me|\\d{1,40}}';
const calls: [call: GraphCall, methods: string[], path: string][] = [
  ['refresh', ['GET'], '/refresh_access_token'],
  ['account', ['GET'], object],
  ['conversations', ['GET'], `${object}/conversations`],
  ['subscribed_apps', ['GET', 'POST', 'DELETE'], `${object}/subscribed_apps`],
  ['send', ['POST'], `${object}/messages`],
];

type GraphContext = Context<{ Bindings: HttpBindings }>;

export function createGraphRoutes(services: GraphServices): Hono {
  const routes = new Hono<{ Bindings: HttpBindings }>();
  for (const version of ['', '/:version{v\\d+\\.\\d+}'])
    for (const [call, methods, path] of calls)
      routes.on(methods, version + path, async (c) => {
        const plan = planFor(services, await readRequest(call, c));
        return respond(services, c, plan);
      });
  routes.all('*', (c) => respond(services, c, { answer: { error: graphErrors.path_unknown } }));
  return routes as unknown as Hono;
}

async function readRequest(call: GraphCall, c: GraphContext): Promise<GraphRequest> {
  const bearer = /^Bearer\s+(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
  const token = bearer || c.req.query('access_token') || undefined;
  const id = c.req.param('id') ?? 'me';
  // Of `me`, the id that stands in the token, or one that is always the same for it.
  const igUserId = id === 'me' ? (idInToken(token) ?? `1784${derivedId(token ?? '').slice(-13)}`) : id;
  const body: unknown = await c.req.json().catch(() => undefined);
  return { call, method: c.req.method, igUserId, query: c.req.query(), token, body };
}

function planFor(services: GraphServices, request: GraphRequest): GraphPlan {
  const { call, igUserId, query } = request;
  if (call === 'send') return planSend(services, request);
  if (request.token === undefined) return { answer: { error: graphErrors.token_missing } };
  const fault = services.faults.pick({ call, igUserId, recipient: query.user_id ?? null, text: null });
  return { answer: errorOf(fault) ?? reads[call](services, request), fault };
}

async function respond({ settings }: GraphServices, c: GraphContext, plan: GraphPlan): Promise<Response> {
  const { fault, entry, answer } = plan;
  const { outgoing } = c.env;
  const end = (outcome: SendEntry['outcome'], status: number | null): void => {
    if (entry) Object.assign(entry, { outcome, status });
  };
  const delayMs = fault?.delay_ms ?? (fault?.kind === 'slow' ? slowMs : 0);
  if (delayMs > 0) await waitUnlessGone(outgoing, delayMs);
  const silence = outgoing.destroyed ? 'abandoned' : /^(?:hang|reset)/.exec(fault?.kind ?? '')?.[0];
  if (silence !== undefined) {
    end(silence === 'hang' ? 'hung' : (silence as 'abandoned' | 'reset'), null);
    if (silence === 'reset') outgoing.socket?.resetAndDestroy();
    return RESPONSE_ALREADY_SENT;
  }
  const error = 'error' in answer ? answer.error : undefined;
  const status = fault?.kind === 'html' ? (fault.status ?? 502) : (error?.status ?? 200);
  end(outcomeOf(plan), status);
  if (fault?.kind === 'html') return new Response(gatewayPage, { status, headers: { 'content-type': 'text/html' } });
  const written = JSON.stringify('error' in answer ? graphErrorBody(answer, settings.current.locale) : answer.body);
  const headers = new Headers({ 'content-type': 'application/json; charset=UTF-8' });
  if (error?.retry_after_s !== undefined) headers.set('retry-after', String(error.retry_after_s));
  const body = fault?.kind === 'invalid_json' ? written.slice(0, written.length / 2) : written;
  return new Response(body, { status, headers });
}

function outcomeOf({ answer, fault }: GraphPlan): SendEntry['outcome'] {
  if (fault?.kind === 'html' || fault?.kind === 'invalid_json') return 'garbled';
  if (fault?.kind === 'server_error') return 'failed';
  return 'error' in answer ? 'refused' : 'delivered';
}
