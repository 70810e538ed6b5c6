/** Splits a long source into pieces that fit one model call. */

export const pieceCharacters = 8_000;

/** Pieces of at most 8,000 characters, all but the last at least half of that; split at line ends where possible. */
export function cutSource(text: string): string[] {
  const pieces: string[] = [];
  let rest = text.trim();
  while (rest !== '') {
    const cut = rest.length <= pieceCharacters ? rest.length : splitBefore(rest, pieceCharacters);
    pieces.push(rest.slice(0, cut).trim());
    rest = rest.slice(cut).trimStart();
  }
  return pieces;
}

/** The last line end, sentence end or space in the second half of `limit` characters; never splits a surrogate pair. */
function splitBefore(text: string, limit: number): number {
  const window = text.slice(0, limit);
  for (const boundary of [/\n(?=[^\n]*$)/, /[.!?؟。](?=[^.!?؟。]*$)/, /\s(?=\S*$)/]) {
    const at = window.search(boundary);
    if (at > limit / 2) return at + 1;
  }
  return window.isWellFormed() ? limit : limit - 1;
}
