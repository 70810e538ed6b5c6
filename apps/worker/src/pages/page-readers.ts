/** One browser per account with open pages, so that a page can't affect other accounts through its browser. */
import { maxPagesAtOnce } from './limits.ts';
import { createPageReader, type PageReader, type PageReaderOptions } from './page-reader.ts';
import { createSlots } from './slots.ts';

export type PageReaders = {
  /** @throws TallyError as {@link PageReader.open} does */
  open(accountId: string, ...page: Parameters<PageReader['open']>): ReturnType<PageReader['open']>;
  /** Ends all browsers and all pages that are being read. */
  close(): Promise<void>;
};

// An account often reads several pages in a row, and a browser takes some tenths of a second to start.
const idleMs = 10_000;
/** More than the pages read at once, so that no page waits for another browser to end. */
const maxBrowsers = maxPagesAtOnce + 2;

/** A browser starts with its account's first page, and ends after `idleMs` without one. */
export function createPageReaders(options: Omit<PageReaderOptions, 'takeSlot'>): PageReaders {
  const takeSlot = createSlots(maxPagesAtOnce);
  const readers = new Map<
    string,
    { reader: ReturnType<typeof createPageReader>; open: number; idle?: NodeJS.Timeout }
  >();

  /** Closes the oldest browser without a page: each takes 100 MB. */
  function closeOldestIdle(): void {
    const idle = [...readers].find(([, { open }]) => open === 0);
    if (idle === undefined) return;
    const [accountId, { reader, idle: timer }] = idle;
    clearTimeout(timer);
    readers.delete(accountId);
    void reader.close();
  }

  return {
    async open(accountId, ...page) {
      if (!readers.has(accountId) && readers.size >= maxBrowsers) closeOldestIdle();
      const own = readers.get(accountId) ?? { reader: createPageReader({ ...options, takeSlot }), open: 0 };
      readers.set(accountId, own);
      clearTimeout(own.idle);
      own.open++;
      try {
        return await own.reader.open(...page);
      } finally {
        own.open--;
        if (own.open === 0)
          own.idle = setTimeout(() => {
            readers.delete(accountId);
            void own.reader.close();
          }, idleMs);
      }
    },
    async close() {
      for (const { idle } of readers.values()) clearTimeout(idle);
      await Promise.all([...readers.values()].map(({ reader }) => reader.close()));
    },
  };
}
