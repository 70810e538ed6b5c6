/** The record of every message that the Graph API was asked to send. */
import { createEntries, type Page } from '../record.ts';

// `hung`, `reset`, `failed` (5xx), `garbled`: the answer is none, and only `delivered` says whether the message arrived;
// `open`: being served; `abandoned`: the client left before its answer.
export type SendOutcome = 'open' | 'delivered' | 'refused' | 'hung' | 'reset' | 'failed' | 'garbled' | 'abandoned';

type NewSend = {
  ig_user_id: string;
  /** As it was asked for; null where that was no recipient. */
  recipient: { id: string } | { comment_id: string } | null;
  text: string | null;
  /** The token's last four characters. */
  token_hint: string | null;
};

export type SendEntry = NewSend & {
  seq: number;
  at: string;
  /** HTTP status of the answer; null where there was none. */
  status: number | null;
  /** Set exactly where the message reached its recipient. */
  message_id: string | null;
  delivered: boolean;
  error: { code: number; subcode: number | null } | null;
  fault: string | null;
  outcome: SendOutcome;
};

export type Sends = ReturnType<typeof createSends>;

/** An empty record; it keeps the last 10,000 sends. */
export function createSends(maxSends = 10_000) {
  const { add, list, clear } = createEntries<SendEntry>(maxSends);
  const unanswered = { status: null, message_id: null, delivered: false, error: null, fault: null } as const;
  return {
    open: (send: NewSend): SendEntry => add({ ...send, ...unanswered, at: new Date().toISOString(), outcome: 'open' }),
    list: ({ ig_user_id: account, ...page }: Page & { ig_user_id?: string | undefined } = {}) =>
      list(page, ({ ig_user_id }) => account === undefined || ig_user_id === account),
    clear,
  };
}
