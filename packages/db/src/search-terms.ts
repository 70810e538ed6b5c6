/** Terms for full-text search in any language: English is stemmed by Postgres, the rest is normalised here. */

/** Terms separated by spaces, or as tsqueries. */
export type Terms = {
  /** Words in Latin script, for the `english` configuration; other languages are stemmed alike on both sides. */
  stemmed: string;
  /** Words in other scripts, for the `simple` configuration. */
  plain: string;
};

const words = new Intl.Segmenter('und', { granularity: 'word' });
// Question words and particles of Persian and Arabic; Postgres drops the English ones itself.
const stopWords = new Set(
  'از به در با را که و یا این آن است هست بود شد می من ما شما تو او آیا چه چند چقدر چگونه چطور کی کجا برای تا هر هم نه بر یک ها های هایی في من على عن ما هل كم كيف متى أين هذا هذه التي الذي إلى أن أو لا'
    .split(' ')
    .map(normalise),
);
const persianSuffix = /^(.{3,}?)(?:هایی|های|هایم|هایش|ها|ترین|تر|ان|ات)$/u;
const maxWordLength = 60;

/** The terms that a passage is indexed by. */
export function toDocumentTerms(text: string): Terms {
  const { stemmed, plain } = split(normalise(text));
  return { stemmed: stemmed.join(' '), plain: plain.join(' ') };
}

/** A tsquery for each configuration that matches any of the text's words; empty where it has none but stop words. */
export function toQuery(text: string): Terms {
  const { stemmed, plain } = split(normalise(text).slice(0, maxQueryCharacters));
  const anyOf = (terms: string[]) =>
    [...new Set(terms)]
      .slice(0, 64)
      .map((term) => `'${term}'`)
      .join(' | ');
  return { stemmed: anyOf(stemmed), plain: anyOf(plain) };
}

// A longer question is cut there.
const maxQueryCharacters = 20_000;

function split(text: string): { stemmed: string[]; plain: string[] } {
  const stemmed: string[] = [];
  const plain: string[] = [];
  for (const { segment, isWordLike } of words.segment(text)) {
    if (!isWordLike || segment.length > maxWordLength) continue;
    // Marks are part of words: many scripts write their vowels so.
    for (const word of segment.split(/[^\p{L}\p{N}\p{M}]+/u)) {
      if (!/[\p{L}\p{N}]/u.test(word)) continue;
      if (/^[\p{Script=Latin}\p{N}]+$/u.test(word)) stemmed.push(word);
      else if (!stopWords.has(word)) plain.push(word.replace(persianSuffix, '$1'));
    }
  }
  return { stemmed, plain };
}

/** Unifies spellings that readers take as the same: letter forms, digits, case, joiners and vowel marks. */
export function normalise(text: string): string {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .replace(/[يى]/g, 'ی')
      .replace(/ك/g, 'ک')
      .replace(/[ۀة]/g, 'ه')
      .replace(/[أإٱ]/g, 'ا')
      .replace(/[۰-۹]/g, (digit) => String(digit.charCodeAt(0) - 0x06f0))
      .replace(/[٠-٩]/g, (digit) => String(digit.charCodeAt(0) - 0x0660))
      .replace(/\u200c/g, ' ')
      .replace(/\u0640|\u200d|[\u064b-\u065f]|\u0670/g, '')
      // toLowerCase() turns the Turkish İ into i and this mark.
      .replace(/i\u0307/g, 'i')
  );
}

/** A passage of a text, with its search terms. */
export type CutPassage = { text: string } & Terms;

/** Cuts a text into passages with their terms. Takes seconds for some megabytes: a server does it on another thread. */
export const toPassages = ({ title, text }: { title: string; text: string }): CutPassage[] =>
  cutPassages(text).map((passage) => ({ text: passage, ...toDocumentTerms(`${title} ${passage}`) }));

const passageCharacters = 900;

/** Cuts a text into passages of about 900 characters, at paragraphs where possible, else sentences, else anywhere. */
export function cutPassages(text: string): string[] {
  const sentences = new Intl.Segmenter('und', { granularity: 'sentence' });
  const pieces = text
    .split(/\n\s*\n/)
    .flatMap((paragraph) =>
      paragraph.length <= passageCharacters
        ? [`${paragraph.trim()}\n`]
        : [...[...sentences.segment(paragraph.trim())].flatMap(({ segment }) => cutEvenly(segment)), '\n'],
    );
  const passages: string[] = [];
  let passage = '';
  for (const piece of pieces) {
    if (passage.length + piece.length > passageCharacters) {
      passages.push(passage.trim());
      passage = '';
    }
    passage += piece;
  }
  passages.push(passage.trim());
  return passages.filter((text) => text !== '');
}

function cutEvenly(text: string): string[] {
  const letters = [...text];
  const pieces: string[] = [];
  for (let start = 0; start < letters.length; start += passageCharacters)
    pieces.push(letters.slice(start, start + passageCharacters).join(''));
  return pieces;
}
