/** Tells the languages apart that the stand-in model can answer in; English is what it falls back on. */
import { isMostlyArabicScript } from './words.ts';

export type Language = 'en' | 'de' | 'tr' | 'fa' | 'ar' | 'ja';

const germanWords =
  /(?<!\p{L})(?:der|die|das|und|ist|nicht|ein|eine|für|mit|wie|viel|kostet|hallo|guten|danke|bitte|preis|haben|sie|ich|auf|von)(?!\p{L})/giu;
const turkishWords =
  /(?<!\p{L})(?:ve|bir|bu|ne|kadar|için|var|mı|mi|mu|merhaba|selam|fiyat|fiyatı|kargo|değil|çok)(?!\p{L})/giu;
const englishWords = /(?<!\p{L})(?:the|and|is|are|a|an|of|to|for|with|how|much|it|you|we|in|on|do)(?!\p{L})/giu;

/** The language that `text` is written in. */
export function languageOf(text: string): Language {
  if (/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text)) return 'ja';
  if (isMostlyArabicScript(text)) return isArabic(text) ? 'ar' : 'fa';
  const counts: [Language, number][] = [
    ['en', count(text, englishWords)],
    ['de', count(text, germanWords) + count(text, /[ßä]/gi)],
    ['tr', count(text, turkishWords) + count(text, /[ğışİ]/g)],
  ];
  return counts.reduce((best, next) => (next[1] > best[1] ? next : best))[0];
}

/** Persian has letters that Arabic lacks (پ چ ژ گ, and its own ی and ک), Arabic has ة, ي and ك. */
function isArabic(text: string): boolean {
  return !/[پچژگیک]/.test(text) && /[ةيكأإ]|(?<!\p{L})ال/u.test(text);
}

const count = (text: string, what: RegExp): number => text.match(what)?.length ?? 0;
