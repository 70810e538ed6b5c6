/** The type of a web page as rendered by a browser. */

export type RenderedPage = {
  /** The final URL after redirects, without a fragment. */
  url: string;
  /** HTTP status of the document. */
  status: number;
  /**
   * The DOM after rendering and scrolling, serialized with its scripts, which contain structured data. Invisible
   * elements (not displayed, transparent, off screen, tiny, aria-hidden) have the attribute `data-tally-hidden`.
   */
  html: string;
};
