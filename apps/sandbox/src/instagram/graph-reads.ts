/** The calls that read: who an account is, a token in the place of an older one, and the messages of a conversation. */
import { randomBytes } from 'node:crypto';
import type { GraphAnswer, GraphRequest, GraphServices } from './graph-call.ts';
import { graphErrors } from './graph-errors.ts';
import { derivedId } from './ids.ts';
import type { DirectMessage } from './threads.ts';

/** 60 days, as long-lived tokens have. */
const tokenLifeSeconds = 5_184_000;
/** Meta gives the details of no more messages than the newest 20 of a conversation. */
const listedMessages = 20;

/** Whose account a request is about: of `me`, the id that stands in its token, or one that is always the same for it. */
export function ownerOf({ objectId, token = '' }: Pick<GraphRequest, 'objectId' | 'token'>): string {
  if (objectId !== null && objectId !== 'me') return objectId;
  return /\d{15,20}/.exec(token)?.[0] ?? `1784${derivedId(token).slice(-13)}`;
}

/** A new token; the old one keeps working, as every token does here that no fault speaks against. */
export function answerRefresh(_: GraphServices, { query, token = '' }: GraphRequest): GraphAnswer {
  if (query.get('grant_type') !== 'ig_refresh_token')
    return { error: graphErrors.shape_unknown, detail: 'grant_type must be ig_refresh_token' };
  // The account's id, where the old one named it, stays in the new one: see ownerOf.
  const account = /\d{15,20}/.exec(token)?.[0] ?? '';
  const access_token = `IGAA${account}S${randomBytes(24).toString('hex').replaceAll(/\d/g, 'x')}`;
  return { body: { access_token, token_type: 'bearer', expires_in: tokenLifeSeconds } };
}

/** `GET /{id}` and `/me`: an account, or a person who wrote to one. */
export function answerAccount({ threads }: GraphServices, request: GraphRequest): GraphAnswer {
  const id = ownerOf(request);
  const username = threads.usernameOf(id);
  const account: Record<string, string> = { id, user_id: id, username, name: username };
  const fields = (request.query.get('fields') ?? 'id,user_id,username').split(',').map((field) => field.trim());
  return { body: { ...pick(account, fields), id } };
}

const pick = (all: Record<string, string>, names: string[]): Record<string, string> =>
  Object.fromEntries(names.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])));

/** `GET /{id}/conversations`: of `user_id`, or of everybody. */
export function answerConversations(services: GraphServices, request: GraphRequest): GraphAnswer {
  const { threads } = services;
  const igUserId = ownerOf(request);
  const asked = request.query.get('user_id');
  const people = threads.peopleOf(igUserId).filter((id) => asked === null || id === asked);
  const conversations = people.map((personId) => {
    const messages = threads.messagesOf(igUserId, personId).slice(0, listedMessages);
    return {
      id: `aWdf${Buffer.from(`ig_thread:${igUserId}:${personId}`).toString('base64url')}ZD`,
      updated_time: metaTime(messages[0]?.at ?? 0),
      messages: { data: messages.map((message) => writeMessage(services, message)) },
    };
  });
  return { body: { data: conversations } };
}

function writeMessage({ threads }: GraphServices, { id, text, fromId, toId, at }: DirectMessage): object {
  return {
    id,
    created_time: metaTime(at),
    from: { id: fromId, username: threads.usernameOf(fromId) },
    to: { data: [{ id: toId, username: threads.usernameOf(toId) }] },
    message: text,
  };
}

/** `2026-11-22T06:00:00+0000`. */
const metaTime = (at: number): string => new Date(at).toISOString().replace(/\.\d{3}Z$/, '+0000');
