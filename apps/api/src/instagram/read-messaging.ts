/** Reads one item of a webhook entry's `messaging[]` into an event. */
import { blank, type EntryContext, type EventKind, invalidEvent, rawKey, type WebhookEvent } from './event.ts';
import { asId, asObject, asText, asTime, isObject } from './loose-json.ts';

/** One event of a conversation; unknown kinds are `unhandled`. */
export function readMessaging(item: unknown, { igUserId, at, receivedAt, rawTime }: EntryContext): WebhookEvent {
  const sender = asId(asObject(asObject(item).sender).id);
  const recipient = asId(asObject(asObject(item).recipient).id);
  if (!isObject(item) || sender === null || recipient === null) return invalidEvent(igUserId, item, receivedAt);
  const happenedAt = item.timestamp === undefined ? at : asTime(item.timestamp, receivedAt);
  const event = blank(igUserId, happenedAt, item, item.timestamp ?? rawTime);
  if (igUserId === '0') return { ...event, kind: 'dashboard_test' };
  const message = asObject(item.message);
  if (sender === igUserId || message.is_echo === true || message.is_self === true) {
    const mid = asId(message.mid);
    const echo = { ...event, kind: 'echo' as const, personId: recipient, externalId: mid, text: asText(message.text) };
    return mid === null ? echo : { ...echo, dedupeKey: `echo:${igUserId}:${mid}` };
  }
  // Neither sender nor recipient is this account, so its owner is unknown.
  if (recipient !== igUserId) return invalidEvent(igUserId, item, receivedAt);
  const known = { ...event, personId: sender };
  if (isObject(item.message)) return readMessage(known, message, item);
  const other = otherKinds.find(({ key }) => isObject(item[key]));
  if (other === undefined) return known;
  const body = asObject(item[other.key]);
  const mid = asId(body.mid);
  // Key of (mid, kind, action or edit number, timestamp): a reaction may be removed and added again.
  const detail = [mid ?? sender, asId(body.action) ?? rawKey(body.num_edit), rawKey(item.timestamp ?? rawTime)].join(
    ':',
  );
  return {
    ...known,
    kind: other.kind,
    externalId: mid,
    text: other.kind === 'postback' ? (asText(body.title) ?? asText(body.payload)) : asText(body.text),
    dedupeKey: `${other.kind}:${igUserId}:${detail}`,
  };
}

const otherKinds: { key: string; kind: EventKind }[] = [
  { key: 'postback', kind: 'postback' },
  { key: 'message_edit', kind: 'message_edited' },
  { key: 'reaction', kind: 'reaction' },
  { key: 'read', kind: 'read' },
  { key: 'referral', kind: 'referral' },
  { key: 'pass_thread_control', kind: 'handover' },
  { key: 'take_thread_control', kind: 'handover' },
  { key: 'request_thread_control', kind: 'handover' },
];

function readMessage(
  event: WebhookEvent,
  message: Record<string, unknown>,
  item: Record<string, unknown>,
): WebhookEvent {
  const mid = asId(message.mid);
  if (mid === null) return invalidEvent(event.igUserId, item, event.happenedAt);
  const read = { ...event, externalId: mid };
  if (message.is_deleted === true)
    return { ...read, kind: 'message_unsent', dedupeKey: `unsent:${event.igUserId}:${mid}` };
  const dedupeKey = `mid:${event.igUserId}:${mid}`;
  if (message.is_unsupported === true) return { ...read, kind: 'unsupported_message', dedupeKey };
  return { ...read, kind: 'message', text: textOf(message), dedupeKey };
}

/** The text of a message, or its attachment types in brackets. */
function textOf(message: Record<string, unknown>): string | null {
  const text = asText(message.text);
  if (text !== null && text.trim() !== '') return text;
  const attachments = Array.isArray(message.attachments) ? message.attachments : [];
  const types = attachments.slice(0, 10).map((attachment) => asText(asObject(attachment).type) ?? 'attachment');
  return types.length === 0 ? null : types.map((type) => `[${type.slice(0, 40).replaceAll('_', ' ')}]`).join(' ');
}
