/** A browser for each account that has pages open: what a page takes of its browser, it takes from no other account. */
import { maxPagesAtOnce } from './limits.ts';
import { createPageReader, type PageReader, type PageReaderOptions } from './page-reader.ts';
import { createSlots } from './slots.ts';

export type PageReaders = {
  /** @throws TallyError as {@link PageReader.open} does */
  open(accountId: string, ...page: Parameters<PageReader['open']>): ReturnType<PageReader['open']>;
  /** Ends all browsers, and whatever they still read. */
  close(): Promise<void>;
};

// Pages of one shop often come one after the other, and a browser takes some tenths of a second to start.
const idleMs = 10_000;
/** More than pages that are read at once, so that a browser's end is waited for by nobody. */
const maxBrowsers = maxPagesAtOnce + 2;

/** Starts nothing yet: a browser comes with its account's first page, and goes when it had none for a while. */
export function createPageReaders(options: Omit<PageReaderOptions, 'takeSlot'>): PageReaders {
  const takeSlot = createSlots(maxPagesAtOnce);
  const readers = new Map<
    string,
    { reader: ReturnType<typeof createPageReader>; open: number; idle?: NodeJS.Timeout }
  >();

  /** Of those without a page the one that is there longest: each takes 100 MB for nothing. */
  function closeIdlest(): void {
    const idle = [...readers].find(([, { open }]) => open === 0);
    if (idle === undefined) return;
    const [accountId, { reader, idle: timer }] = idle;
    clearTimeout(timer);
    readers.delete(accountId);
    void reader.close();
  }

  return {
    async open(accountId, ...page) {
      if (!readers.has(accountId) && readers.size >= maxBrowsers) closeIdlest();
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
