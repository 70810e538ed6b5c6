/** Turns text of any script into words that can be compared: case, accents, letter variants and plurals removed. */

/** Letters and digits that have a twin: Arabic yeh, kaf and teh marbuta as typed on Persian keyboards or not. */
const twins: Record<string, string> = { ي: 'ی', ى: 'ی', ك: 'ک', ة: 'ه' };
const arabicDigitZero = 0x0660;
const persianDigitZero = 0x06f0;

/** Words that say nothing about a question's subject. */
const stopWords = new Set(
  `a about all am an and any are as at be been but by can could did do does for from had has have he her here him his
  how i if in into is it its just like me more most much many my no not of on one or our out please s she should so
  some t tell than that the their them then there these they this those to too up us was we were what when where which
  who whom whose why will with would you your
  و در به از که این آن را با است برای تا یک هم یا اگر چه چی چیست چیه چند چقدر چگونه چطور کجا کجاست کی کدام آیا من شما ما او
  は が の に を で と も へ や か です ます でし まし た て し い いくら この その あの これ それ ください 何
  آنها می شود شد هست هستند دارد دارید دارم دارند کنم کنید کند لطفا بر نیز باید ها های رو چرا بود`
    .split(/\s+/)
    .map(plain),
);

/** Japanese puts no spaces between words. */
const japanese = new Intl.Segmenter('ja', { granularity: 'word' });
const withSpaces = (text: string): string =>
  /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u.test(text)
    ? Array.from(japanese.segment(text), ({ segment }) => segment).join(' ')
    : text;

/** Comparable words of `text` in their order, without the words that say nothing. */
export function words(text: string): string[] {
  const found: string[] = [];
  for (const [word] of plain(withSpaces(text)).matchAll(/[\p{L}\p{N}]+/gu))
    if (!stopWords.has(word)) found.push(singular(word));
  return found;
}

/** Whether most letters of `text` are of the Arabic script, which Persian is written in. */
export function isMostlyArabicScript(text: string): boolean {
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  return (text.match(/\p{Script=Arabic}/gu)?.length ?? 0) * 2 > letters;
}

/** Lower case, no diacritics, no zero-width joiners or stretched letters, one form of each letter and digit. */
function plain(text: string): string {
  const lower = text.toLowerCase();
  if (/^[ -~\s]*$/.test(lower)) return lower;
  return lower
    .normalize('NFKD')
    .replace(/[\p{M}\u200b-\u200f\u0640]/gu, '')
    .replace(/[يىكة]/g, (letter) => twins[letter] ?? letter)
    .replace(/[٠-٩]/g, (digit) => String(digit.charCodeAt(0) - arabicDigitZero))
    .replace(/[۰-۹]/g, (digit) => String(digit.charCodeAt(0) - persianDigitZero));
}

/** Light on purpose: both sides go through it, so a stem need not be a word, only the same for the same word. */
function singular(word: string): string {
  if (word.length < 4) return word;
  if (/^[a-z]+$/.test(word)) {
    if (word.length > 5) {
      const stem = word.replace(/(?:ing|ed)$/, '');
      if (stem !== word) return stem.replace(/([b-df-hj-np-tv-z])\1$/, '$1');
    }
    if (/ies$/.test(word)) return `${word.slice(0, -3)}y`;
    if (/(?:ss|sh|ch|x|z)es$/.test(word)) return word.slice(0, -2);
    return /[^siu]s$/.test(word) ? word.slice(0, -1) : word;
  }
  // Persian plurals: ها, های, هایی.
  return word.length > 4 ? word.replace(/های?ی?$/, '') : word;
}
