/** What a person or a test says of an event that Instagram shall announce; everything but its kind has a default. */
import { z } from 'zod';

const id = z.string().min(1).max(200);
const text = z.string().max(100_000);

const eventKinds = [
  'comment',
  'live_comment',
  'message',
  'postback',
  'reaction',
  'read',
  'unsend',
  'edit',
  'echo',
  'story_mention',
] as const;
type EventKind = (typeof eventKinds)[number];

/** A customer of nobody in particular, as in Meta's own examples. */
const someone = { id: '1254459154682919', username: 'mina.daily' };

const Event = z.strictObject({
  kind: z.enum(eventKinds),
  ig_user_id: id.default('17841405309211844'),
  from: z.strictObject({ id, username: z.string().max(100).optional() }).default(someone),
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
  /** What of the message a postback or a quick reply carries. */
  payload: text.optional(),
  attachments: z.array(z.record(z.string(), z.unknown())).max(100).optional(),
  emoji: z.string().default('❤️'),
  action: z.enum(['react', 'unreact']).default('react'),
  num_edit: z.int().min(1).default(1),
  /** Comments: within `changes`, as they are delivered, or directly on the entry, as Meta documents Instagram Login. */
  form: z.enum(['changes', 'flat']).default('changes'),
});

/** Any bytes: JSON to be written as Meta does, or a string that is posted as it is. */
const Raw = z.object({
  kind: z.literal('raw'),
  payload: z.union([z.string(), z.record(z.string(), z.unknown()), z.array(z.unknown())]),
});

const signature = { signature: z.enum(['valid', 'wrong', 'none']).default('valid') };

export const FireInput = z.discriminatedUnion('kind', [Event.extend(signature), Raw.extend(signature)]);
/** As it is given, with everything that has a default left out. */
export type FireInput = z.input<typeof FireInput>;
export type InstagramEvent = z.output<typeof Event>;

/** What somebody says who was given no words. */
const defaultTexts: Partial<Record<EventKind, string>> = {
  comment: 'How much is this lamp?',
  live_comment: 'How much is this lamp?',
  message: 'Hi! Is the Aurora desk lamp available in black?',
  postback: 'Get started',
  edit: 'Hi! Is the Aurora desk lamp available in sage?',
  echo: 'Thanks for your message!',
};

/** The words of an event: those given, else a default unless it has attachments to speak for it. */
export const textOf = ({ kind, text, attachments }: InstagramEvent): string | undefined =>
  text ?? (attachments === undefined ? defaultTexts[kind] : undefined);
