/** Checks that a generated pair is supported by its source, because a model may invent facts. */
import { wordsOf } from '../../../extraction/src/text/names.ts';
import { toAsciiDigits } from '../../../extraction/src/text/price.ts';
import type { QaPair } from '../context.ts';

const maxQuestion = 500;
const maxAnswer = 2_000;
// Shorter words are mostly articles and particles, which occur in every sentence.
const minWordLetters = 4;
const supportedShare = 0.6;

/**
 * True where all numbers of the pair and most significant words of its answer occur in the source. Words are compared
 * by their first letters, so that inflected forms match.
 */
export function isSupported({ question, answer }: QaPair, source: string): boolean {
  if (question === '' || answer === '' || question.length > maxQuestion || answer.length > maxAnswer) return false;
  const numbers = new Set(numbersOf(source));
  if (numbersOf(`${question} ${answer}`).some((number) => !numbers.has(number))) return false;
  const known = new Set(wordsOf(source).map(stemOf));
  const joined = wordsOf(source).join('');
  const significant = wordsOf(answer).filter((word) => isUnspaced(word) || word.length >= minWordLetters);
  const supported = significant.filter(
    (word) => known.has(stemOf(word)) || (isUnspaced(word) && sharesLetters(word, joined)),
  );
  return significant.length === 0 || supported.length / significant.length >= supportedShare;
}

const stemOf = (word: string): string => word.slice(0, Math.max(minWordLetters, Math.ceil(word.length * 0.7)));

/** The digits of all numbers, without separators: `1.234,56` and `1,234.56` are equal. */
const numbersOf = (text: string): string[] =>
  [...toAsciiDigits(text).matchAll(/\d+(?:[.,٬٫'’\u00a0\u202f ]\d{3}(?!\d))*(?:[.,٫]\d+)?/g)].map(([number]) =>
    number.replace(/\D/g, '').replace(/^0+(?=\d)/, ''),
  );

const isUnspaced = (word: string): boolean => /[\u3040-\u30ff\u4e00-\u9fff]/.test(word);

/** Japanese and Chinese put no spaces between words, so half of the pairs of adjacent letters must match. */
function sharesLetters(word: string, joined: string): boolean {
  const pairs = Array.from({ length: Math.max(1, word.length - 1) }, (_, i) => word.slice(i, i + 2));
  return pairs.filter((pair) => joined.includes(pair)).length / pairs.length >= 0.5;
}
