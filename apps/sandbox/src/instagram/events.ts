/** Events that Instagram announces: what a person or a test says of one, and the webhook that Meta posts for it. */
import { z } from 'zod';

const id = z.string().min(1).max(200);
const text = z.string().max(100_000);
const signature = z.enum(['valid', 'wrong', 'none']).default('valid');

const commentKinds = ['comment', 'live_comment'] as const;
const messageKinds = ['message', 'postback', 'reaction', 'read', 'unsend', 'edit', 'echo', 'story_mention'] as const;

const Event = z.strictObject({
  kind: z.enum([...commentKinds, ...messageKinds]),
  ig_user_id: id.default('17841405309211844'),
  /** As in Meta's own examples. */
  from: z
    .strictObject({ id, username: z.string().max(100).optional() })
    .default({ id: '1254459154682919', username: 'mina.daily' }),
  text: text.optional(),
  /** Comments; a new one by default. */
  comment_id: id.optional(),
  parent_id: id.optional(),
  media_id: id.default('18050310947720001'),
  media_product_type: z.string().default('FEED'),
  /** The message; a new one by default, which for reactions, reads, unsending and edits is nobody's. */
  mid: id.optional(),
  /** Unix milliseconds; now by default. Comments announce it in seconds. */
  timestamp_ms: z.int().min(0).optional(),
  payload: text.optional(),
  attachments: z.array(z.record(z.string(), z.unknown())).max(100).optional(),
  emoji: z.string().default('❤️'),
  action: z.enum(['react', 'unreact']).default('react'),
  num_edit: z.int().min(1).default(1),
  /** Comments: within `changes`, as they are delivered, or directly on the entry, as Meta documents Instagram Login. */
  form: z.enum(['changes', 'flat']).default('changes'),
  signature,
});

/** Any bytes: JSON to be written as Meta does, or a string that is posted as it is. */
const Raw = z.object({
  kind: z.literal('raw'),
  payload: z.union([z.string(), z.record(z.string(), z.unknown()), z.array(z.unknown())]),
  signature,
});

export const FireInput = z.discriminatedUnion('kind', [Event, Raw]);
/** As it is given, with everything that has a default left out. */
export type FireInput = z.input<typeof FireInput>;

export type AnnouncedEvent = z.output<typeof Event> & { comment_id: string; mid: string; timestamp_ms: number };

export const isComment = ({ kind }: AnnouncedEvent): boolean => kind === 'comment' || kind === 'live_comment';

/** The words of an event: those given, else some, unless it has attachments to speak for it. */
export function textOf({ kind, text, attachments }: AnnouncedEvent): string | undefined {
  if (text !== undefined || attachments !== undefined) return text;
  return kind === 'postback' ? 'Get started' : 'Hi! How much is the Aurora desk lamp?';
}

/** The body of a webhook: seconds for comments, milliseconds for messages, ids as strings. */
export function webhookPayload(event: AnnouncedEvent): object {
  const entry = isComment(event) ? commentEntry(event) : messageEntry(event);
  return { entry: [{ id: event.ig_user_id, ...entry }], object: 'instagram' };
}

function commentEntry(event: AnnouncedEvent): object {
  const { from, parent_id, comment_id: id, media_id } = event;
  const live = event.kind === 'live_comment';
  const media = { id: media_id, media_product_type: live ? 'LIVE' : event.media_product_type };
  // JSON leaves undefined out.
  const value = { from, media, id, parent_id, text: textOf(event) };
  const change = { value, field: live ? 'live_comments' : 'comments' };
  const time = Math.floor(event.timestamp_ms / 1_000);
  return event.form === 'flat' ? { time, ...change } : { time, changes: [change] };
}

function messageEntry(event: AnnouncedEvent): object {
  const [account, person] = [{ id: event.ig_user_id }, { id: event.from.id }];
  const [sender, recipient] = event.kind === 'echo' ? [account, person] : [person, account];
  const messaging = { sender, recipient, timestamp: event.timestamp_ms, ...happening(event) };
  return { time: event.timestamp_ms, messaging: [messaging] };
}

function happening(event: AnnouncedEvent): object {
  const { kind, mid, payload, attachments, action, emoji, num_edit } = event;
  const text = textOf(event);
  switch (kind) {
    case 'postback':
      return { postback: { mid, title: text, payload: payload ?? 'GET_STARTED' } };
    case 'reaction':
      return { reaction: { mid, action, ...(action === 'react' && { reaction: 'love', emoji }) } };
    case 'read':
      return { read: { mid } };
    case 'edit':
      return { message_edit: { mid, text, num_edit } };
    case 'unsend':
      return { message: { mid, is_deleted: true } };
    case 'echo':
      return { message: { mid, text, is_echo: true } };
    case 'story_mention':
      return { message: { mid, attachments: attachments ?? [{ type: kind, payload: { url: storyUrl } }] } };
    default:
      return { message: { mid, text, attachments, ...(payload !== undefined && { quick_reply: { payload } }) } };
  }
}

const storyUrl = 'https://lookaside.fbsbx.com/ig_messaging_cdn/?asset_id=17900000000000001&signature=sandbox';
