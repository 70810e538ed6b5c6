/** Cuts a long source into pieces that one call can read. */

export const pieceCharacters = 8_000;

/** Pieces of at most 8,000 characters and, but for the last, of at least half of that; at line ends where possible. */
export function cutSource(text: string): string[] {
  const pieces: string[] = [];
  let rest = text.trim();
  while (rest !== '') {
    const cut = rest.length <= pieceCharacters ? rest.length : borderBefore(rest, pieceCharacters);
    pieces.push(rest.slice(0, cut).trim());
    rest = rest.slice(cut).trimStart();
  }
  return pieces;
}

/** The last line end, else sentence end, else space in the second half of the first `limit` characters, never inside a letter. */
function borderBefore(text: string, limit: number): number {
  const window = text.slice(0, limit);
  for (const border of [/\n(?=[^\n]*$)/, /[.!?؟。](?=[^.!?؟。]*$)/, /\s(?=\S*$)/]) {
    const at = window.search(border);
    if (at > limit / 2) return at + 1;
  }
  return window.isWellFormed() ? limit : limit - 1;
}
