/** Finds amounts of money in a text and classifies them. */
import { type AmountKind, kindOf } from './amount-kind.ts';
import { type CurrencyMark, markPattern, readCurrency } from './currency.ts';
import { type Decimal, isZero, parseAmount, toAsciiDigits, usesDecimalComma } from './price.ts';

export type Money = {
  amount: Decimal;
  /** Null for a bare number, or one recognized as money only by its form (`12.–`). */
  mark: CurrencyMark | null;
  /** True where a currency or the form identifies it as money. */
  certain: boolean;
  kind: AmountKind;
  /** Its range in the text, including the currency. */
  start: number;
  end: number;
};

const group = "[.,'’ʼ´\\u066b\\u066c]";
const numberSource = `\\d{1,3}(?:[ \\u00a0\\u202f\\u2009]\\d{3})+(?!\\d)(?:[.,]\\d{1,2}(?!\\d))?|\\d+(?:${group}\\d+)*`;
/** For languages that don't group digits with spaces, where a plain space ends a number: "Lumi 2 359,00 €". */
const unspacedSource = numberSource.replace('[ \\', '[\\');
const space = '[ \\u00a0\\u202f\\u2009]{0,2}';

const moneyPattern = (number: string): RegExp =>
  new RegExp(
    `(?:(?<before>${markPattern})${space}|(?<![A-Za-z\\d][.,'’]?))(?<number>${number})(?<dash>[.,:][-–—]+)?(?<rest>${space}(?<after>${markPattern}))?`,
    'gu',
  );
const spacedPattern = moneyPattern(numberSource);
const unspacedPattern = moneyPattern(unspacedSource);
const spacingLanguages = new Set('fr sv nb nn no da fi pl cs sk ru uk bg hu pt es et lv lt kk uz'.split(' '));

/** Only this much of a paragraph is searched; the model sees no more of it either. */
const maxCharacters = 2_000;

/** The text, cut at a word boundary if too long, because a truncated number is not an amount. */
const beginningOf = (text: string): string =>
  text.length <= maxCharacters ? text : text.slice(0, Math.max(0, text.lastIndexOf(' ', maxCharacters)));

/** All amounts at the beginning of a text, including bare numbers, in order. Struck-through text is in `~~`. */
export function findMoney(whole: string, language: string): Money[] {
  const text = beginningOf(whole);
  const ascii = toAsciiDigits(text);
  const struck = struckRanges(text);
  const found: Money[] = [];
  let lastEnd = 0;
  const pattern = spacingLanguages.has(language.slice(0, 2).toLowerCase()) ? spacedPattern : unspacedPattern;
  pattern.lastIndex = 0;
  for (let match = pattern.exec(ascii); match !== null; match = pattern.exec(ascii)) {
    const { before, number = '', dash, after, rest = '' } = match.groups ?? {};
    const left = before === undefined ? undefined : readCurrency(before, language);
    const right = left || after === undefined ? undefined : readCurrency(after, language);
    // If a mark precedes the number, a mark after it belongs to the next number.
    let end = match.index + match[0].length;
    if (rest && !right) {
      end -= rest.length;
      pattern.lastIndex = end;
    }
    const mark = left ?? right ?? null;
    const amount = parseAmount(number, { language, currency: mark?.currency ?? null });
    const start = left ? match.index : match.index + match[0].indexOf(number);
    if (amount === null || isZero(amount) || text[end] === '%' || text.slice(end, end + 2) === ' %') continue;
    const inside = struck.some(([from, to]) => start >= from && end <= to);
    const between = ascii.slice(lastEnd, start);
    // A dash after an amount makes a range; at the beginning it marks a reduction.
    const lead = lastEnd > 0 && /^\s*[-–—−]\s*$/.test(between) ? '' : between;
    const kind = inside ? 'former' : kindOf(lead, ascii.slice(end, end + 40));
    const certain = mark !== null || dash !== undefined;
    found.push({ amount, mark, certain, kind, start, end });
    // Bare numbers belong to the context of the next amount: "1 kg = 9,98 €", "3 x 26,33 €".
    if (certain) lastEnd = end;
  }
  return found;
}

/** Cache of readings, because every claim is compared with every amount. */
const known = new WeakMap<Money, Decimal[]>();

/** All possible readings of an amount in the text, for comparing a claim with the page. */
export function readings(money: Money, language: string, text: string): Decimal[] {
  const read = known.get(money) ?? readAgain(money, language, text);
  known.set(money, read);
  return read;
}

function readAgain(money: Money, language: string, text: string): Decimal[] {
  const digits = toAsciiDigits(text.slice(money.start, money.end))
    .match(/\d[\d.,'’\u066b\u066c\s\u00a0\u202f]*/)?.[0]
    .trim();
  if (digits === undefined) return [money.amount];
  const other = usesDecimalComma(language) ? 'en' : 'de';
  const read = [language, other].map((convention) =>
    parseAmount(digits, { language: convention, machine: true, currency: money.mark?.currency ?? null }),
  );
  return [...new Set([money.amount, ...read.filter((amount) => amount !== null)])];
}

function struckRanges(text: string): [number, number][] {
  return [...text.matchAll(/~~.+?~~/gs)].map((match) => [match.index, match.index + match[0].length]);
}
