/** The stand-in model's own record of every request it served: what a platform's bill can be held against. */
import type { DialectName } from './model/dialects/dialect.ts';
import { noTokens, type Tokens } from './model/tokens.ts';
import { createEntries, type Page } from './record.ts';

// `answered`: a completion was written as a whole; `error`: an HTTP error was; `garbled`: what is no completion was;
// `aborted`: the client left first; `reset`: the sandbox cut the connection.
export type Outcome = 'open' | 'answered' | 'error' | 'garbled' | 'aborted' | 'reset';

type NewEntry = {
  /** The completion's id, also where none was sent. */
  id: string;
  request_id: string;
  dialect: DialectName;
  model: string | null;
  user: string | null;
  metadata: Record<string, string> | null;
  /** The request's `x-client-request-id` header: of Tally's calls, the hold that pays. */
  key: string | null;
};

type Ending = {
  /** HTTP status; null while open or where the client left before any. */
  status: number | 'hang' | 'reset' | null;
  outcome: Outcome;
  aborted: boolean;
};

export type BookEntry = NewEntry &
  Tokens &
  Ending & { seq: number; at: string; fault: string | null; duration_ms: number | null };

/** Tokens are those of answered requests only: nobody can know what an answer cost that never arrived. */
type Totals = Tokens & { requests: number; answered: number };

export type Book = ReturnType<typeof createBook>;

/** An empty book. It keeps the last 100,000 entries, and totals of all. */
export function createBook(maxEntries = 100_000) {
  const entries = createEntries<BookEntry>(maxEntries);
  let clearedAt = 0;
  let all = noTotals();
  let byUser = new Map<string, Totals>();

  function totalsFor({ user }: { user: string | null }): Totals[] {
    const own = byUser.get(user ?? '') ?? noTotals();
    byUser.set(user ?? '', own);
    return [all, own];
  }

  return {
    open(entry: NewEntry): BookEntry {
      for (const totals of totalsFor(entry)) totals.requests += 1;
      return entries.add({ ...entry, ...noTokens, ...unfinished, at: new Date().toISOString() });
    },
    /** Ends an open entry and, if it was answered, adds its tokens to the totals. */
    close(entry: BookEntry, ending: Ending): void {
      Object.assign(entry, ending, { duration_ms: Date.now() - Date.parse(entry.at) });
      if (ending.outcome !== 'answered' || entry.seq <= clearedAt) return;
      for (const totals of totalsFor(entry)) {
        totals.answered += 1;
        for (const name of Object.keys(noTokens) as (keyof Tokens)[]) totals[name] += entry[name];
      }
    },
    list: ({ user, ...page }: Page & { user?: string | undefined } = {}) =>
      entries.list(page, (entry) => user === undefined || entry.user === user),
    /** Totals of one user, or of all, of every request since the last `clear`. */
    totals: (user?: string): Totals => ({ ...(user === undefined ? all : (byUser.get(user) ?? noTotals())) }),
    totalsByUser: (): Record<string, Totals> => Object.fromEntries(byUser),
    clear(): void {
      entries.clear();
      clearedAt = entries.latest();
      all = noTotals();
      byUser = new Map();
    },
  };
}

const unfinished = { status: null, outcome: 'open', aborted: false, fault: null, duration_ms: null } as const;
const noTotals = (): Totals => ({ requests: 0, answered: 0, ...noTokens });
