/** `/{id}/subscribed_apps`: which accounts have their events sent to the app. */
import type { GraphAnswer, GraphRequest, GraphServices } from './graph-call.ts';
import { graphErrors } from './graph-errors.ts';
import { ownerOf } from './graph-reads.ts';

// Meta's fields for Instagram accounts.
const knownFields = new Set([
  'comments',
  'live_comments',
  'mentions',
  'message_reactions',
  'messages',
  'messaging_handover',
  'messaging_optins',
  'messaging_postbacks',
  'messaging_referral',
  'messaging_seen',
  'standby',
  'story_insights',
]);

export type Subscriptions = Map<string, string[]>;

/** POST subscribes to `subscribed_fields`, DELETE ends it, GET shows it. */
export function answerSubscribedApps({ subscriptions }: GraphServices, request: GraphRequest): GraphAnswer {
  const igUserId = ownerOf(request);
  if (request.method === 'DELETE') {
    subscriptions.delete(igUserId);
    return { body: { success: true } };
  }
  if (request.method === 'GET') {
    const fields = subscriptions.get(igUserId);
    return { body: { data: fields === undefined ? [] : [{ id: 'the-app', subscribed_fields: fields }] } };
  }
  const fields = (request.query.get('subscribed_fields') ?? '').split(',').filter((field) => field !== '');
  if (fields.length === 0 || fields.some((field) => !knownFields.has(field)))
    return { error: graphErrors.shape_unknown, detail: 'subscribed_fields must name fields of Instagram webhooks' };
  subscriptions.set(igUserId, fields);
  return { body: { success: true } };
}
