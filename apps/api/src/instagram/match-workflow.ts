/** Which workflow a comment is for. */
import { type MatchableWorkflow, normalise } from '@tally/db';

/** The first of the workflows that fit best: one for this post before one for all, one for this word before one for all. */
export function matchWorkflow(
  workflows: MatchableWorkflow[],
  comment: { text: string; mediaIds: string[] },
): MatchableWorkflow | undefined {
  const text = normalise(comment.text);
  const fitting = workflows.filter(
    ({ keywords, mediaIds }) =>
      (mediaIds.length === 0 || mediaIds.some((id) => comment.mediaIds.includes(id))) &&
      (keywords.length === 0 || keywords.some((keyword) => says(text, keyword))),
  );
  const weight = ({ keywords, mediaIds }: MatchableWorkflow) =>
    (mediaIds.length > 0 ? 2 : 0) + (keywords.length > 0 ? 1 : 0);
  return fitting.toSorted((a, b) => weight(b) - weight(a))[0];
}

// "prices" says price, and «قیمتش» says قیمت; "priceless" doesn't. Of very short words an ending makes others.
const longestEnding = 3;
const inflectedLetters = 4;

/** Whether the words stand in the text as words, with a short ending at most; scripts without spaces have no words to end. */
function says(text: string, words: string): boolean {
  if (words === '') return false;
  const endingLetters = [...words].length >= inflectedLetters ? longestEnding : 0;
  for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + 1)) {
    const rest = text.slice(at + words.length);
    const ending = /^[\p{L}\p{N}\p{M}]*/u.exec(rest)?.[0] ?? '';
    if (!joins(text.slice(0, at), words) && (!joins(words, rest) || [...ending].length <= endingLetters)) return true;
  }
  return false;
}

const spacedLetter = /[\p{L}\p{N}\p{M}]/u;
const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/u;

/** Whether a word goes on over the border between two texts. */
function joins(before: string, after: string): boolean {
  const last = [...before.slice(-2)].at(-1) ?? '';
  const first = [...after.slice(0, 2)][0] ?? '';
  return [last, first].every((letter) => spacedLetter.test(letter) && !unspaced.test(letter));
}
