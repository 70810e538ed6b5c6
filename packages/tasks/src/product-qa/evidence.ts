/** Whether a pair says what its source says: a model's word is not enough. */

import { wordsOf } from '../../../extraction/src/text/names.ts';
import { toAsciiDigits } from '../../../extraction/src/text/price.ts';
import type { QaPair } from '../context.ts';

const maxQuestion = 500;
const maxAnswer = 2_000;
// Shorter words are articles and particles, which every sentence has.
const tellingLetters = 4;
const supportedShare = 0.6;

/**
 * True for a pair whose numbers all stand in the source, and most of whose answer's telling words do. Words are compared
 * by their first letters, so that inflected forms count.
 */
export function isSupported({ question, answer }: QaPair, source: string): boolean {
  if (question === '' || answer === '' || question.length > maxQuestion || answer.length > maxAnswer) return false;
  const numbers = new Set(numbersOf(source));
  if (numbersOf(`${question} ${answer}`).some((number) => !numbers.has(number))) return false;
  const known = new Set(wordsOf(source).map(stemOf));
  const joined = wordsOf(source).join('');
  const telling = wordsOf(answer).filter((word) => isUnspaced(word) || word.length >= tellingLetters);
  const supported = telling.filter(
    (word) => known.has(stemOf(word)) || (isUnspaced(word) && sharesLetters(word, joined)),
  );
  return telling.length === 0 || supported.length / telling.length >= supportedShare;
}

const stemOf = (word: string): string => word.slice(0, Math.max(tellingLetters, Math.ceil(word.length * 0.7)));

/** Digit runs, whatever separates thousands: `1.234,56` and `1,234.56` are the same number. */
const numbersOf = (text: string): string[] =>
  [...toAsciiDigits(text).matchAll(/\d+(?:[.,٬٫'’\u00a0\u202f ]\d{3}(?!\d))*(?:[.,٫]\d+)?/g)].map(([number]) =>
    number.replace(/\D/g, '').replace(/^0+(?=\d)/, ''),
  );

const isUnspaced = (word: string): boolean => /[\u3040-\u30ff\u4e00-\u9fff]/.test(word);

/** Japanese and Chinese put no spaces between words: half of the neighbouring letters are enough. */
function sharesLetters(word: string, joined: string): boolean {
  const pairs = Array.from({ length: Math.max(1, word.length - 1) }, (_, i) => word.slice(i, i + 2));
  return pairs.filter((pair) => joined.includes(pair)).length / pairs.length >= 0.5;
}
