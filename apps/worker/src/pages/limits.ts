/** What reading one page may cost. */

export const maxPagesAtOnce = 4;
/** Of one account: the rest is for others, for a page may take its whole time. */
export const maxPagesOfOneAccount = 2;

export const defaultTimeoutMs = 20_000;
export const hardTimeoutMs = 30_000;
/** The share of the time after which a page that has arrived is read without its last scripts. */
export const loadShare = 0.5;

/** Of the document as it comes out of its compression, and of what it has become. */
export const maxDocumentBytes = 10_000_000;
/** Of all that a page loads: on the wire, and again as it comes out of its compression. */
export const maxPageBytes = 30_000_000;
/** Of one renderer: what a script unpacks or allocates is not told before it is there. 150 MB is an ordinary page. */
export const maxRendererBytes = 700_000_000;
/** Of all other processes of a browser, where blobs and databases of pages lie: 100 MB without any. */
export const maxBrowserBytes = 500_000_000;
export const memoryLookMs = 100;
/** Of what pages of one origin may store. */
export const maxStoredBytes = 10_000_000;
export const maxStoringOrigins = 50;
export const maxRequests = 300;
export const maxNavigations = 11;

/** Nothing on the network for this long is quiet. */
export const quietMs = 500;
/** Product data that scripts add come within this time after the page has loaded, or are missed. */
export const settleMs = 2_000;

export const maxScrolls = 12;
/** How long each screen stays in view: 250 ms is what lazy shops take. */
export const scrollPauseMs = 350;
/** Scrolling ends while there is still time to read what is there. */
export const readReserveMs = 4_000;

/** 30,000 elements take half a second on one idle core. */
export const markHiddenMs = 3_000;
export const snapshotMs = 8_000;
