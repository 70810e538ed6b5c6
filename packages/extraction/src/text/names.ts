/** Compares names, codes and phrases, ignoring case, quote and dash styles, and white space. */

/** Collapses white space; keeps no-break spaces, which occur inside amounts. */
export const collapse = (text: string): string => text.replace(/[ \t\n\r\f\u200b\u200e\u200f\ufeff]+/g, ' ').trim();

/** Normalizes a text for comparison. */
export function folded(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\u00ad\u200b-\u200f\u2060\ufeff]/g, '')
    .replace(/[‘’‚‛′ʼ`´]/g, "'")
    .replace(/[“”„‟«»″「」『』]/g, '"')
    .replace(/[‐‑‒–—−]/g, '-')
    .replace(/ي/g, 'ی')
    .replace(/ك/g, 'ک')
    .replace(/\s+/g, ' ')
    .trim();
}

/** The folded words and numbers of a text. */
export const wordsOf = (text: string): string[] => folded(text).match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];

/** Whether two names have the same letters and digits in the same order. */
export const sameName = (a: string, b: string): boolean => sameWords(wordsOf(a), wordsOf(b));

export const sameWords = (a: readonly string[], b: readonly string[]): boolean =>
  a.length > 0 && a.join('') === b.join('');

/** Whether two names denote the same product: at least 75% of the shorter one's words occur in the longer. */
export const namesAgree = (a: string, b: string): boolean => wordsAgree(wordsOf(a), wordsOf(b));

const wordsAgree = (a: readonly string[], b: readonly string[]): boolean => setsAgree(new Set(a), new Set(b));

/** Like {@link namesAgree}, for sets of words. */
export function setsAgree(first: ReadonlySet<string>, second: ReadonlySet<string>): boolean {
  const [few, many] = first.size <= second.size ? [first, second] : [second, first];
  if (few.size === 0) return false;
  let joined: string | undefined;
  let missed = 0;
  for (const word of few) {
    if (many.has(word)) continue;
    if (isUnspaced(word)) {
      joined ??= [...many].join('');
      if (joined.includes(word)) continue;
    }
    missed++;
    if (missed / few.size > 0.25) return false;
  }
  return true;
}

/** Chinese and Japanese put no spaces between words. */
const isUnspaced = (word: string): boolean => /[\u3040-\u30ff\u4e00-\u9fff]/.test(word);

/** Whether a text of these words contains `phrase` as whole words. */
export function containsWords(text: readonly string[], phrase: readonly string[]): boolean {
  if (phrase.length === 0) return false;
  if (isUnspaced(phrase.join('')) && text.join('').includes(phrase.join(''))) return true;
  return text.some((_, i) => phrase.every((word, j) => text[i + j] === word));
}
