/** Validates the path under which a reverse proxy publishes an installation: `/tally` for https://host/tally/. */

// Only characters that are literal in HTML, scripts and headers. `//`, `..` and `%` could lead to another host or path.
const form = /^(?:\/[\w~-][\w.~-]{0,63}){1,8}$/;

/** The prefix without a trailing slash, '' for the root; undefined for an invalid path. */
export function toPathPrefix(text: string): string | undefined {
  const prefix = text.endsWith('/') ? text.slice(0, -1) : text;
  return prefix === '' || form.test(prefix) ? prefix : undefined;
}
