/** The path under which a reverse proxy publishes an installation: `/tally` for https://host/tally/. */

// Nothing that means anything in HTML, in a script or in a header, and no way to another host: `//`, `..` and `%` are out.
const form = /^(?:\/[\w~-][\w.~-]{0,63}){1,8}$/;

/** The prefix without a slash at its end, '' for the root; undefined where the text is no such path. */
export function toPathPrefix(text: string): string | undefined {
  const prefix = text.endsWith('/') ? text.slice(0, -1) : text;
  return prefix === '' || form.test(prefix) ? prefix : undefined;
}
