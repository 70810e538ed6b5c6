/** A web page as a browser shows it to a person. */

export type RenderedPage = {
  /** Where the browser ended up, after redirects; without a fragment. */
  url: string;
  /** HTTP status of the document. */
  status: number;
  /**
   * The DOM after rendering and scrolling, serialised with its scripts: structured data are read from it. Elements that
   * nobody can see (not displayed, transparent, off the screen, tiny, aria-hidden) carry the attribute `data-tally-hidden`.
   */
  html: string;
};

/** Reads pages of public addresses, in a browser behind a guarded proxy. */
export type PageReader = {
  /**
   * Opens `url` and reads it once it has settled.
   * @throws TallyError `address_refused` (a non-public address, also by redirect or DNS), `page_not_found` (404, 410, no
   * such host), `blocked` (401, 403, 429, a challenge page), `too_large`, `timeout`, `unavailable` (any other failure)
   */
  open(url: string, options: { signal: AbortSignal }): Promise<RenderedPage>;
};
