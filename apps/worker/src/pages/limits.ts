/** Limits on the time, memory and traffic of reading pages. */

export const maxPagesAtOnce = 4;
/** Per account; the other slots are for other accounts, since a page may use its whole timeout. */
export const maxPagesOfOneAccount = 2;

export const defaultTimeoutMs = 20_000;
export const hardTimeoutMs = 30_000;
/** The share of the timeout after which a page with a complete document is read without its pending subresources. */
export const loadShare = 0.5;

/** Size of the document after decompression, and of the serialised snapshot. */
export const maxDocumentBytes = 10_000_000;
/** Size of everything a page loads; applies on the wire and, separately, after decompression. */
export const maxPageBytes = 30_000_000;
/** Memory of one renderer, since a script's allocations can't be seen in advance. An ordinary page takes 150 MB. */
export const maxRendererBytes = 700_000_000;
/** Memory of a browser's other processes together, which hold pages' blobs and databases: 100 MB without any. */
export const maxBrowserBytes = 500_000_000;
export const memoryCheckMs = 100;
/** Storage quota of one origin. */
export const maxStoredBytes = 10_000_000;
export const maxStoringOrigins = 50;
export const maxRequests = 300;
export const maxNavigations = 11;

/** The network counts as quiet after this long without traffic. */
export const quietMs = 500;
/** How long to wait after the load for product data that scripts add. */
export const settleMs = 2_000;

export const maxScrolls = 12;
/** How long each screen stays in view; shops with lazy loading take 250 ms. */
export const scrollPauseMs = 350;
/** Scrolling stops when only this much time is left to read the page. */
export const readReserveMs = 4_000;

/** 30,000 elements take half a second on one idle core. */
export const markHiddenMs = 3_000;
export const snapshotMs = 8_000;
