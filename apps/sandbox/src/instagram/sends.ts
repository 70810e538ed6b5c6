/** The record of every message that the Graph API was asked to send: what a platform's own record can be held against. */

/**
 * - `delivered`: accepted, and the answer says so. `refused`: an error in Meta's shape. `hung`, `reset`, `failed` (5xx),
 *   `garbled`: the answer is none, and only `delivered` says whether the message arrived.
 * - `open`: being served. `abandoned`: the client left before its answer.
 */
export type SendOutcome = 'open' | 'delivered' | 'refused' | 'hung' | 'reset' | 'failed' | 'garbled' | 'abandoned';

export type SendEntry = {
  /** Place in the record, from 1; the `after` of a page. */
  seq: number;
  at: string;
  ig_user_id: string;
  /** As it was asked for; null where that was no recipient. */
  recipient: { id: string } | { comment_id: string } | null;
  text: string | null;
  /** The token's last four characters. */
  token_hint: string | null;
  /** HTTP status of the answer; null where there was none. */
  status: number | null;
  /** Set exactly where the message reached its recipient. */
  message_id: string | null;
  delivered: boolean;
  error: { code: number; subcode: number | null } | null;
  fault: string | null;
  outcome: SendOutcome;
};

type NewSend = Pick<SendEntry, 'ig_user_id' | 'recipient' | 'text' | 'token_hint'>;
type SendQuery = { after?: number | undefined; ig_user_id?: string | undefined; limit?: number | undefined };

export type Sends = {
  /** Writes a send down as open. */
  open: (send: NewSend) => SendEntry;
  /** Up to `limit` (1,000) kept entries with a `seq` above `after`, oldest first. */
  list: (query?: SendQuery) => SendEntry[];
  clear: () => void;
};

const keptSends = 10_000;
const pageSends = 1_000;

/** An empty record; it keeps the last 10,000 sends. */
export function createSends(maxSends = keptSends): Sends {
  let kept: SendEntry[] = [];
  let latest = 0;
  return {
    open(send) {
      latest += 1;
      const entry: SendEntry = {
        seq: latest,
        at: new Date().toISOString(),
        ...send,
        status: null,
        message_id: null,
        delivered: false,
        error: null,
        fault: null,
        outcome: 'open',
      };
      kept.push(entry);
      // By halves, so that the list isn't moved for every send.
      if (kept.length >= maxSends * 2) kept = kept.slice(-maxSends);
      return entry;
    },
    list: ({ after = 0, ig_user_id, limit = pageSends } = {}) =>
      kept
        .slice(-maxSends)
        .filter((entry) => entry.seq > after && (ig_user_id === undefined || entry.ig_user_id === ig_user_id))
        .slice(0, limit),
    clear() {
      kept = [];
    },
  };
}
