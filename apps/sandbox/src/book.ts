/** The stand-in model's own record of every request it served: what a platform's bill can be held against. */
import type { DialectName } from './model/dialects/dialect.ts';

/**
 * - `open`: being served. `answered`: a completion was written to the socket as a whole.
 * - `error`: an HTTP error was. `garbled`: something that is no completion was.
 * - `aborted`: the client left first. `reset`: the sandbox cut the connection.
 */
export type Outcome = 'open' | 'answered' | 'error' | 'garbled' | 'aborted' | 'reset';

export type BookEntry = {
  /** Place in the book, from 1; the `after` of a page. */
  seq: number;
  /** The completion's id, also where none was sent. */
  id: string;
  request_id: string;
  at: string;
  dialect: DialectName;
  model: string | null;
  user: string | null;
  metadata: Record<string, string> | null;
  /** The request's `x-client-request-id` header: of Tally's calls, the hold that pays. */
  key: string | null;
  fault: string | null;
  /** What the model really used, whatever the answer claimed; 0 where it never ran. */
  prompt_tokens: number;
  /** Part of the prompt. */
  cached_tokens: number;
  completion_tokens: number;
  /** Part of the completion. */
  reasoning_tokens: number;
  total_tokens: number;
  /** HTTP status; null while open or where the client left before any. */
  status: number | 'hang' | 'reset' | null;
  outcome: Outcome;
  /** The client went away before the answer was written. */
  aborted: boolean;
  duration_ms: number | null;
};

/** Tokens are those of answered requests only: nobody can know what an answer cost that never arrived. */
type Totals = Record<'requests' | 'answered' | TokenClass, number>;
type TokenClass = (typeof tokenClasses)[number];

const tokenClasses = [
  'prompt_tokens',
  'cached_tokens',
  'completion_tokens',
  'reasoning_tokens',
  'total_tokens',
] as const;

type NewEntry = Pick<BookEntry, 'id' | 'dialect' | 'request_id' | 'model' | 'user' | 'metadata' | 'key'>;
type Ending = Pick<BookEntry, 'status' | 'outcome' | 'aborted'>;
type Page = { user?: string | undefined; after?: number | undefined; limit?: number | undefined };

export type Book = {
  /** Writes a request down as open and counts it. */
  open: (entry: NewEntry) => BookEntry;
  /** Ends an open entry and, if it was answered, adds its tokens to the totals. */
  close: (entry: BookEntry, ending: Ending) => void;
  /** Up to `limit` (1,000) kept entries with a `seq` above `after`, oldest first. */
  list: (page?: Page) => BookEntry[];
  /** Totals of one user, or of all, of every request since the last `clear`. */
  totals: (user?: string) => Totals;
  totalsByUser: () => Record<string, Totals>;
  clear: () => void;
};

const keptEntries = 100_000;
const pageEntries = 1_000;
/** Where the totals of requests without a user are kept. */
const nobody = '';

/** An empty book. It keeps the last 100,000 entries, and totals of all. */
export function createBook(maxEntries = keptEntries): Book {
  let slots: BookEntry[] = [];
  let latest = 0;
  let clearedAt = 0;
  let all = noTotals();
  let byUser = new Map<string, Totals>();

  function totalsOf(user: string | null): Totals {
    const known = byUser.get(user ?? nobody);
    if (known) return known;
    const fresh = noTotals();
    byUser.set(user ?? nobody, fresh);
    return fresh;
  }

  return {
    open(entry) {
      latest += 1;
      const opened: BookEntry = {
        seq: latest,
        ...entry,
        at: new Date().toISOString(),
        fault: null,
        prompt_tokens: 0,
        cached_tokens: 0,
        completion_tokens: 0,
        reasoning_tokens: 0,
        total_tokens: 0,
        status: null,
        outcome: 'open',
        aborted: false,
        duration_ms: null,
      };
      slots[latest % maxEntries] = opened;
      all.requests += 1;
      totalsOf(entry.user).requests += 1;
      return opened;
    },

    close(entry, ending) {
      Object.assign(entry, ending);
      entry.duration_ms = Date.now() - Date.parse(entry.at);
      if (ending.outcome !== 'answered' || entry.seq <= clearedAt) return;
      addAnswer(all, entry);
      addAnswer(totalsOf(entry.user), entry);
    },

    list({ user, after = 0, limit = pageEntries } = {}) {
      const entries: BookEntry[] = [];
      const oldest = Math.max(after, clearedAt, latest - maxEntries) + 1;
      for (let seq = oldest; seq <= latest && entries.length < limit; seq += 1) {
        const entry = slots[seq % maxEntries];
        if (entry && (user === undefined || entry.user === user)) entries.push(entry);
      }
      return entries;
    },

    totals: (user) => ({ ...(user === undefined ? all : (byUser.get(user) ?? noTotals())) }),
    totalsByUser: () => Object.fromEntries(byUser),

    clear() {
      slots = [];
      clearedAt = latest;
      all = noTotals();
      byUser = new Map();
    },
  };
}

function noTotals(): Totals {
  return {
    requests: 0,
    answered: 0,
    prompt_tokens: 0,
    cached_tokens: 0,
    completion_tokens: 0,
    reasoning_tokens: 0,
    total_tokens: 0,
  };
}

function addAnswer(totals: Totals, entry: BookEntry): void {
  totals.answered += 1;
  for (const name of tokenClasses) totals[name] += entry[name];
}
