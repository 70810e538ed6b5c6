/** One event of a webhook, and what an event is of which nothing is known yet. */
import { createHash } from 'node:crypto';
import { boundedPayload, type Json } from './loose-json.ts';

const eventKinds = [
  'comment',
  'message',
  'postback',
  'echo',
  'message_unsent',
  'message_edited',
  'unsupported_message',
  'reaction',
  'read',
  'referral',
  'handover',
  'standby',
  'dashboard_test',
  'unhandled',
  'invalid',
] as const;
export type EventKind = (typeof eventKinds)[number];

export type WebhookEvent = {
  kind: EventKind;
  /** The account that it is for; null where that can't be told. */
  igUserId: string | null;
  /** Of a comment or message: its id. */
  externalId: string | null;
  personId: string | null;
  username: string | null;
  /** True where Meta itself says that the account wrote it. */
  isOwn: boolean;
  isLive: boolean;
  text: string | null;
  /** The post commented on, of an advertisement also the post behind it. */
  mediaIds: string[];
  happenedAt: Date;
  dedupeKey: string;
  /** Kept for its owner; null where it is too large or deep to be a real event. */
  payload: Json | null;
};

/** What an entry says of all its events. */
export type EntryContext = { igUserId: string; at: Date; receivedAt: Date; rawTime: unknown };

/** An event of which nothing is known but whom it is for: kept, and never answered. */
export function blank(igUserId: string | null, happenedAt: Date, payload: unknown, rawTime: unknown): WebhookEvent {
  const kept = boundedPayload(payload);
  const print = createHash('sha256').update(JSON.stringify(kept)).digest('hex');
  return {
    kind: 'unhandled',
    igUserId,
    externalId: null,
    personId: null,
    username: null,
    isOwn: false,
    isLive: false,
    text: null,
    mediaIds: [],
    happenedAt,
    dedupeKey: `other:${igUserId}:${rawKey(rawTime)}:${print}`,
    payload: kept,
  };
}

/** A time as it was sent: what it means to our clock may differ from one delivery to the next. */
export const rawKey = (time: unknown): string =>
  typeof time === 'number' || typeof time === 'string'
    ? String(time)
        .slice(0, 40)
        .replace(/[^\w.+-]/g, '')
    : '';

export const invalidEvent = (igUserId: string | null, payload: unknown, at: Date): WebhookEvent => ({
  ...blank(igUserId, at, payload, undefined),
  kind: 'invalid',
});
