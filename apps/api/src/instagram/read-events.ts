/** Reads the body of an Instagram webhook into events. Pure; never throws, whatever the shape. */
import { blank, type EntryContext, invalidEvent, type WebhookEvent } from './event.ts';
import { asId, asObject, asText, asTime, isObject } from './loose-json.ts';
import { readMessaging } from './read-messaging.ts';

/** Items of unknown shape are stored as `invalid`, up to this many per body. */
const maxInvalid = 20;
const maxEvents = 10_000;

/** The events of a parsed body, in order; none for objects other than `instagram`. */
export function readEvents(body: unknown, receivedAt: Date): WebhookEvent[] {
  if (!isObject(body) || body.object !== 'instagram' || !Array.isArray(body.entry)) return [];
  const events: WebhookEvent[] = [];
  let invalid = 0;
  for (const entry of body.entry) {
    for (const event of readEntry(entry, receivedAt)) {
      if (event.kind === 'invalid' && ++invalid > maxInvalid) continue;
      events.push(event);
      if (events.length >= maxEvents) return events;
    }
  }
  return events;
}

function* readEntry(entry: unknown, receivedAt: Date): Iterable<WebhookEvent> {
  const igUserId = asId(asObject(entry).id);
  if (!isObject(entry) || igUserId === null) {
    yield invalidEvent(null, entry, receivedAt);
    return;
  }
  const context = { igUserId, at: asTime(entry.time, receivedAt), receivedAt, rawTime: entry.time };
  // Business Login puts a single change on the entry itself.
  if (typeof entry.field === 'string') yield readChange(entry, context);
  for (const change of listOf(entry, 'changes')) yield readChange(change, context);
  for (const item of listOf(entry, 'messaging')) yield readMessaging(item, context);
  for (const item of listOf(entry, 'standby')) {
    const event = readMessaging(item, context);
    yield { ...event, kind: 'standby', dedupeKey: `standby:${event.dedupeKey}` };
  }
}

const listOf = (entry: Record<string, unknown>, key: string): unknown[] => {
  const value = entry[key];
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
};

function readChange(change: unknown, { igUserId, at, receivedAt, rawTime }: EntryContext): WebhookEvent {
  if (!isObject(change) || typeof change.field !== 'string' || !isObject(change.value))
    return invalidEvent(igUserId, change, receivedAt);
  const { field, value } = change;
  const payload = { field, value };
  if (igUserId === '0') return { ...blank(igUserId, at, payload, rawTime), kind: 'dashboard_test' };
  if (field !== 'comments' && field !== 'live_comments') return blank(igUserId, at, payload, rawTime);
  const commentId = asId(value.id) ?? asId(value.comment_id);
  if (commentId === null) return invalidEvent(igUserId, change, receivedAt);
  const from = asObject(value.from);
  const media = asObject(value.media);
  return {
    ...blank(igUserId, at, payload, rawTime),
    kind: 'comment',
    externalId: commentId,
    personId: asId(from.id),
    username: asText(from.username),
    isOwn: from.self_ig_scoped_id !== undefined,
    isLive: field === 'live_comments',
    text: asText(value.text),
    mediaIds: [media.id, media.original_media_id].map(asId).filter((id) => id !== null),
    dedupeKey: `comment:${igUserId}:${commentId}`,
  };
}
