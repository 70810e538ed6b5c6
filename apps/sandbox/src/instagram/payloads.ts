/** Builds what Meta posts for an event: seconds for comments, milliseconds for messages, ids as strings. */
import type { InstagramEvent } from './fire-input.ts';

/** An event with the ids that it announces. */
export type AnnouncedEvent = InstagramEvent & { comment_id: string; mid: string; timestamp_ms: number };

export const isComment = ({ kind }: InstagramEvent): boolean => kind === 'comment' || kind === 'live_comment';

/** The body of a webhook, before it is written and signed. */
export function webhookPayload(event: AnnouncedEvent): object {
  const entry = isComment(event) ? commentEntry(event) : messageEntry(event);
  return { entry: [{ id: event.ig_user_id, ...entry }], object: 'instagram' };
}

function commentEntry(event: AnnouncedEvent): object {
  const live = event.kind === 'live_comment';
  const value = {
    from: { id: event.from.id, username: event.from.username },
    media: { id: event.media_id, media_product_type: live ? 'LIVE' : event.media_product_type },
    id: event.comment_id,
    ...(event.parent_id === undefined ? {} : { parent_id: event.parent_id }),
    text: event.text,
  };
  const change = { value, field: live ? 'live_comments' : 'comments' };
  const time = Math.floor(event.timestamp_ms / 1_000);
  return event.form === 'flat' ? { time, ...change } : { time, changes: [change] };
}

function messageEntry(event: AnnouncedEvent): object {
  const outgoing = event.kind === 'echo';
  const messaging = {
    sender: { id: outgoing ? event.ig_user_id : event.from.id },
    recipient: { id: outgoing ? event.from.id : event.ig_user_id },
    timestamp: event.timestamp_ms,
    ...happening(event),
  };
  return { time: event.timestamp_ms, messaging: [messaging] };
}

/** The part by which kinds of messages differ. */
function happening(event: AnnouncedEvent): object {
  const { kind, mid, payload, text } = event;
  switch (kind) {
    case 'postback':
      return { postback: { mid, title: text, payload: payload ?? 'GET_STARTED' } };
    case 'reaction': {
      const given = event.action === 'react' ? { reaction: 'love', emoji: event.emoji } : {};
      return { reaction: { mid, action: event.action, ...given } };
    }
    case 'read':
      return { read: { mid } };
    case 'edit':
      return { message_edit: { mid, text, num_edit: event.num_edit } };
    case 'unsend':
      return { message: { mid, is_deleted: true } };
    case 'echo':
      return { message: { mid, text, is_echo: true } };
    case 'story_mention':
      return { message: { mid, attachments: event.attachments ?? [storyMention] } };
    default:
      return {
        message: {
          mid,
          ...(text === undefined ? {} : { text }),
          ...(payload === undefined ? {} : { quick_reply: { payload } }),
          ...(event.attachments ? { attachments: event.attachments } : {}),
        },
      };
  }
}

const storyMention = {
  type: 'story_mention',
  payload: { url: 'https://lookaside.fbsbx.com/ig_messaging_cdn/?asset_id=17900000000000001&signature=sandbox' },
};
