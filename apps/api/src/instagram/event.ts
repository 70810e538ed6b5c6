/** The webhook event that every payload is read into, and its defaults. */
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
  /** The receiving account; null where it is unknown. */
  igUserId: string | null;
  /** The id of the comment or message. */
  externalId: string | null;
  personId: string | null;
  username: string | null;
  /** True where Meta marks the account as the author. */
  isOwn: boolean;
  isLive: boolean;
  text: string | null;
  /** The post commented on; for an advertisement also the original post. */
  mediaIds: string[];
  happenedAt: Date;
  dedupeKey: string;
  /** Stored for the account; null where it is too large or deep to be a real event. */
  payload: Json | null;
};

/** What all events of an entry share. */
export type EntryContext = { igUserId: string; at: Date; receivedAt: Date; rawTime: unknown };

/** An event of kind `unhandled`, which is stored and never answered; the readers fill in more. */
export function blank(igUserId: string | null, happenedAt: Date, payload: unknown, rawTime: unknown): WebhookEvent {
  const kept = boundedPayload(payload);
  const fingerprint = createHash('sha256').update(JSON.stringify(kept)).digest('hex');
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
    dedupeKey: `other:${igUserId}:${rawKey(rawTime)}:${fingerprint}`,
    payload: kept,
  };
}

/** A time as sent, for dedupe keys: the parsed time may differ between deliveries where Meta's clock is ahead. */
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
