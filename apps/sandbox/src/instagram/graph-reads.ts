/** The calls besides sending: who an account is, new tokens, the messages of conversations, and subscriptions. */
import { randomBytes } from 'node:crypto';
import type { GraphAnswer, GraphRequest, GraphServices } from './graph-call.ts';
import { graphErrors } from './graph-errors.ts';
import { type DirectMessage, idInToken, opaqueId } from './threads.ts';

/** 60 days, as long-lived tokens have. */
const tokenLifeSeconds = 5_184_000;
/** Meta gives the details of no more messages than the newest 20 of a conversation. */
const listedMessages = 20;
const webhookField =
  /^(?:(?:live_)?comments|mentions|messages|message_reactions|messaging_(?:handover|optins|postbacks|referral|seen)|standby|story_insights)$/;

type Read = (services: GraphServices, request: GraphRequest) => GraphAnswer;

/** A new token; the old one keeps working, as every token does here that no fault speaks against. */
const refresh: Read = (_, { query, token }) => {
  if (query.grant_type !== 'ig_refresh_token')
    return { error: graphErrors.shape_unknown, detail: 'grant_type must be ig_refresh_token' };
  // The account's id, where the old one named it, stays in the new one: it says whose `me` is.
  const access_token = `IGAA${idInToken(token) ?? ''}S${randomBytes(24).toString('hex').replaceAll(/\d/g, 'x')}`;
  return { body: { access_token, token_type: 'bearer', expires_in: tokenLifeSeconds } };
};

/** `GET /{id}` and `/me`: an account, or a person who wrote to one. */
const account: Read = ({ threads }, { igUserId: id, query }) => {
  const username = threads.usernameOf(id);
  const asked = (query.fields ?? 'id,user_id,username').split(',').map((field) => field.trim());
  const known = Object.entries({ id, user_id: id, username, name: username });
  return { body: Object.fromEntries(known.filter(([field]) => field === 'id' || asked.includes(field))) };
};

/** `GET /{id}/conversations`: of `user_id`, or of everybody. */
const conversations: Read = ({ threads }, { igUserId, query }) => {
  const named = (id: string) => ({ id, username: threads.usernameOf(id) });
  const write = ({ id, text, fromId, toId, at }: DirectMessage) => ({
    id,
    created_time: metaTime(at),
    from: named(fromId),
    to: { data: [named(toId)] },
    message: text,
  });
  const asked = [...threads.conversationsOf(igUserId)].filter(([personId]) => (query.user_id ?? personId) === personId);
  const data = asked.map(([personId, messages]) => ({
    id: opaqueId(`ig_thread:${igUserId}:${personId}`),
    updated_time: metaTime(messages[0]?.at ?? 0),
    messages: { data: messages.slice(0, listedMessages).map(write) },
  }));
  return { body: { data } };
};

/** `2026-11-22T06:00:00+0000`. */
const metaTime = (at: number): string => new Date(at).toISOString().replace(/\.\d{3}Z$/, '+0000');

/** `/{id}/subscribed_apps`: POST subscribes to `subscribed_fields`, DELETE ends it, GET shows it. */
const subscribed_apps: Read = ({ subscriptions }, { igUserId, method, query }) => {
  if (method === 'GET') {
    const fields = subscriptions.get(igUserId);
    return { body: { data: fields === undefined ? [] : [{ id: 'the-app', subscribed_fields: fields }] } };
  }
  if (method === 'DELETE') {
    subscriptions.delete(igUserId);
    return { body: { success: true } };
  }
  const fields = (query.subscribed_fields ?? '').split(',');
  if (fields.some((field) => !webhookField.test(field)))
    return { error: graphErrors.shape_unknown, detail: 'subscribed_fields must name fields of Instagram webhooks' };
  subscriptions.set(igUserId, fields);
  return { body: { success: true } };
};

export const reads = { refresh, account, conversations, subscribed_apps };
