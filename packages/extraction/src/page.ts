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
