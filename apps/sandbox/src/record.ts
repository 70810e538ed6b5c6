/** Numbered entries of which the oldest are forgotten: what a platform's own record can be held against. */
import { z } from 'zod';

export const PageQuery = z.object({
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(10_000).default(1_000),
});
export type Page = { after?: number | undefined; limit?: number | undefined };

export function createEntries<Entry extends { seq: number }>(maxEntries: number) {
  let kept: Entry[] = [];
  let latest = 0;
  return {
    /** Numbers an entry, from 1, and keeps it. */
    add(entry: Omit<Entry, 'seq'>): Entry {
      latest += 1;
      const added = { ...entry, seq: latest } as Entry;
      kept.push(added);
      // By halves, so that the list isn't moved for every entry.
      if (kept.length >= maxEntries * 2) kept = kept.slice(-maxEntries);
      return added;
    },
    /** Up to `limit` (1,000) kept entries with a `seq` above `after`, oldest first. */
    list: ({ after = 0, limit = 1_000 }: Page, matches: (entry: Entry) => boolean): Entry[] =>
      kept
        .slice(-maxEntries)
        .filter((entry) => entry.seq > after && matches(entry))
        .slice(0, limit),
    latest: () => latest,
    clear() {
      kept = [];
    },
  };
}

/** The `after` of the next page; null where there is none. */
export const nextAfter = (entries: { seq: number }[], limit: number): number | null =>
  entries.length === limit ? (entries.at(-1)?.seq ?? null) : null;
