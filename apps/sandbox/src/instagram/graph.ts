/** The Graph API under `/graph`, on plain node:http: a fault may need the socket. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../body.ts';
import { waitUnlessGone } from '../wait.ts';
import { errorOf, type GraphCall } from './faults.ts';
import type { GraphPlan, GraphRequest, GraphServices } from './graph-call.ts';
import { graphErrorBody, graphErrors } from './graph-errors.ts';
import { answerAccount, answerConversations, answerRefresh } from './graph-reads.ts';
import { planSend } from './send.ts';
import type { SendEntry } from './sends.ts';
import type { InstagramSettings } from './settings.ts';
import { answerSubscribedApps } from './subscriptions.ts';

const slowMs = 1_000;
const gatewayPage = '<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>';

/** The path without prefix and version: `/graph/v26.0/17841400000000000/messages` is `17841400000000000/messages`. */
const graphPath = /^\/graph(?:\/v\d{1,3}\.\d{1,2})?\/([^?]*)/;
export const isGraphUrl = (url: string | undefined): boolean => url !== undefined && graphPath.test(url);

export type GraphHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Answers the calls that an integration makes, and writes each send into the record. */
export function createGraphHandler(services: GraphServices): GraphHandler {
  return (request, response) => {
    serve(services, request, response).catch((err: unknown) => {
      services.logger?.error({ err }, 'the sandbox could not answer a Graph API call');
      response.destroy();
    });
  };
}

async function serve(services: GraphServices, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await readBody(incoming);
  if (body === 'gone') return;
  const request = readRequest(incoming, body === 'too_large' ? Buffer.alloc(0) : body);
  if (request === undefined) return respond(services, response, { answer: { error: graphErrors.path_unknown } });
  if (request.call === 'send') return respond(services, response, planSend(services, request));
  if (request.token === undefined) return respond(services, response, { answer: { error: graphErrors.token_missing } });
  const fault = services.faults.pick({
    call: request.call,
    igUserId: request.objectId,
    recipient: request.query.get('user_id'),
    text: null,
  });
  const answer = errorOf(fault) ?? answers[request.call](services, request);
  return respond(services, response, { answer, fault });
}

const answers = {
  refresh: answerRefresh,
  account: answerAccount,
  conversations: answerConversations,
  subscribed_apps: answerSubscribedApps,
};

function readRequest(incoming: IncomingMessage, body: Buffer): GraphRequest | undefined {
  const url = incoming.url ?? '';
  const [path = '', ...further] = (graphPath.exec(url)?.[1] ?? '').replace(/\/$/, '').split('/');
  const call = callOf(incoming.method, path, further);
  if (call === undefined) return undefined;
  const query = new URLSearchParams(url.split('?')[1] ?? '');
  const bearer = /^Bearer\s+(\S+)$/i.exec(incoming.headers.authorization ?? '')?.[1];
  const token = bearer ?? query.get('access_token') ?? undefined;
  return {
    call,
    method: incoming.method ?? 'GET',
    objectId: call === 'refresh' ? null : path,
    query,
    token: token === '' ? undefined : token,
    body,
  };
}

function callOf(method: string | undefined, path: string, further: string[]): GraphCall | undefined {
  const edge = further.join('/');
  if (method === 'GET' && path === 'refresh_access_token' && edge === '') return 'refresh';
  if (!/^(?:me|\d{1,40})$/.test(path)) return undefined;
  if (edge === 'subscribed_apps') return ['GET', 'POST', 'DELETE'].includes(method ?? '') ? edge : undefined;
  if (method === 'POST') return edge === 'messages' ? 'send' : undefined;
  if (method !== 'GET') return undefined;
  if (edge === 'conversations') return 'conversations';
  return edge === '' ? 'account' : undefined;
}

async function respond(services: GraphServices, response: ServerResponse, plan: GraphPlan): Promise<void> {
  const { fault, entry } = plan;
  const delayMs = fault?.delay_ms ?? (fault?.kind === 'slow' ? slowMs : 0);
  if (delayMs > 0) await waitUnlessGone(response, delayMs);
  if (response.destroyed) return end(entry, 'abandoned', null);
  if (fault?.kind.startsWith('hang')) return end(entry, 'hung', null);
  if (fault?.kind.startsWith('reset')) {
    end(entry, 'reset', null);
    response.socket?.resetAndDestroy();
    return;
  }
  const { status, type, body, retryAfter } = write(plan, services.settings());
  if (retryAfter !== undefined) response.setHeader('retry-after', String(retryAfter));
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  end(entry, outcomeOf(plan), status);
  response.end(body);
}

type Written = { status: number; type: string; body: string; retryAfter?: number | undefined };

function write({ answer, fault }: GraphPlan, { locale }: InstagramSettings): Written {
  const type = 'application/json; charset=UTF-8';
  if (fault?.kind === 'html') return { status: fault.status ?? 502, type: 'text/html', body: gatewayPage };
  if ('error' in answer) {
    const body = JSON.stringify(graphErrorBody(answer.error, locale, answer.detail));
    return { status: answer.error.status, type, body, retryAfter: answer.error.retry_after_s };
  }
  const body = JSON.stringify(answer.body);
  return { status: 200, type, body: fault?.kind === 'invalid_json' ? body.slice(0, body.length / 2) : body };
}

function outcomeOf({ answer, fault }: GraphPlan): SendEntry['outcome'] {
  if (fault?.kind === 'html' || fault?.kind === 'invalid_json') return 'garbled';
  if (fault?.kind === 'server_error') return 'failed';
  return 'error' in answer ? 'refused' : 'delivered';
}

function end(entry: SendEntry | undefined, outcome: SendEntry['outcome'], status: number | null): void {
  if (entry) Object.assign(entry, { outcome, status });
}
