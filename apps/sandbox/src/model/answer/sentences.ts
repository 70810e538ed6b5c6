/** Takes texts of any script apart: into sentences, and into words that can be compared. */

export const sentencesOf = (text: string): string[] =>
  text
    .split(/\n+|(?<=[.!?؟])\s+|(?<=[。！？])/u)
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== '');

/** Words that say nothing about a question's subject. */
const stopWords = new Set(
  `a about all am an and any are as at be by can could did do does for from had has have he her how i if in into is it its me
  my no not of on or our please she so than that the their them then there they this to us was we were what when where which
  who why will with would you your`.split(/\s+/),
);

/** Japanese and Chinese put no spaces between words. */
const unspaced = /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u;
const segmenter = new Intl.Segmenter('ja', { granularity: 'word' });

/** Comparable words of `text`: lower case, no accents or endings, without the words that say nothing. */
export function wordsOf(text: string): Set<string> {
  const spaced = unspaced.test(text) ? Array.from(segmenter.segment(text), ({ segment }) => segment).join(' ') : text;
  const plain = spaced.toLowerCase().normalize('NFKD').replace(/\p{M}/gu, '').replace(/[يى]/g, 'ی').replace(/ك/g, 'ک');
  const words = plain.match(/[\p{L}\p{N}]+/gu) ?? [];
  return new Set(words.filter((word) => !stopWords.has(word)).map(stem));
}

/** Both sides go through it, so a stem need not be a word, only the same for the same word. */
const stem = (word: string): string =>
  word.replace(/(?<=[a-z]{3})(?:ing|ed|es|s|e)$/, '').replace(/(?<=[a-z]{2})([b-df-hj-np-tv-z])\1$/, '$1');
