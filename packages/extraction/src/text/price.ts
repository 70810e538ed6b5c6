/** Parses written amounts of money. Amounts are digit strings and are converted to floats only at the end. */

/** An amount in major units: digits with at most one point, without padding: `0`, `19.99`, `18500000`. */
export type Decimal = string;

/** Hints for reading an amount with ambiguous separators. */
export type AmountHints = {
  /** BCP 47, of the page. */
  language: string;
  /** ISO 4217, where it is known. */
  currency?: string | null;
  /** True for machine-readable data, where a single point is a decimal point unless the language differs. */
  machine?: boolean;
};

/** Longer numbers are article or phone numbers, and would lose digits as a float. */
const maxDigits = 15;

const digitZeros = [0x0660, 0x06f0, 0x0966, 0x09e6, 0x0e50, 0xff10];

/** Replaces Persian, Arabic, Devanagari, Bengali, Thai and full-width digits by ASCII, keeping positions. */
export function toAsciiDigits(text: string): string {
  return text
    .replace(/[\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef\u0e50-\u0e59\uff10-\uff19]/g, (digit) => {
      const code = digit.charCodeAt(0);
      const zero = digitZeros.findLast((start) => start <= code) ?? 0x30;
      return String(code - zero);
    })
    .replace(/\uff0c/g, ',')
    .replace(/\uff0e/g, '.');
}

/** Currencies without decimals in shops, and those with three decimals (ISO 4217 and common practice). */
const withoutDecimals = new Set(
  'BIF CLP COP DJF GNF IDR IQD IRR ISK JPY KMF KRW LBP PYG RWF UGX VND VUV XAF XOF XPF'.split(' '),
);
const withThreeDecimals = new Set('BHD JOD KWD LYD OMR TND'.split(' '));

const commaDecimalLanguages = new Set(
  'az be bg bs ca cs da de el es et eu fi fr gl hr hu hy id is it ka kk lt lv mk nb nl nn no pl pt ro ru sk sl sq sr sv tr uk uz vi'.split(
    ' ',
  ),
);

/** Whether `language` uses a decimal comma. */
export function usesDecimalComma(language: string): boolean {
  const [primary = '', region = ''] = language.toLowerCase().split(/[-_]/);
  if (primary === 'es' && ['mx', 'us', 'pr', 'do', 'gt', 'hn', 'ni', 'pa', 'pe', 'sv', '419'].includes(region))
    return false;
  if (['de', 'it', 'fr'].includes(primary) && (region === 'ch' || region === 'li')) return false;
  return commaDecimalLanguages.has(primary);
}

/**
 * Parses `raw`: digits with separators, optionally followed by `.–` or `,-`. Null for anything else: dates, version
 * numbers, groups of the wrong length.
 */
export function parseAmount(raw: string, hints: AmountHints): Decimal | null {
  const digits = toAsciiDigits(raw)
    .replace(/[.,:][-–—]+\s*$/, '')
    .trim();
  // Spaces, apostrophes and the Arabic thousands separator only group; the Arabic decimal separator is unambiguous.
  const plain = digits.replace(/[\s\u00a0\u202f\u2009'’ʼ´\u066c]/g, '_').replace(/\u066b/g, '!');
  if (!/^\d[\d_.,!]*$/.test(plain) || /[_.,!]{2}|[_.,!]$/.test(plain)) return null;
  const at = decimalPosition(plain, hints);
  const whole = at === -1 ? plain : plain.slice(0, at);
  const fraction = at === -1 ? '' : plain.slice(at + 1);
  if (!/^\d*$/.test(fraction) || !isGrouped(whole)) return null;
  return normalise(whole.replace(/\D/g, ''), fraction);
}

/** The position of the decimal separator in `text`, or -1. */
function decimalPosition(text: string, hints: AmountHints): number {
  const arabic = text.indexOf('!');
  if (arabic !== -1) return arabic;
  const separators = [...text.matchAll(/[.,]/g)];
  const last = separators.at(-1);
  if (last === undefined) return -1;
  const same = separators.filter((separator) => separator[0] === last[0]);
  if (same.length > 1) return -1;
  if (separators.length > 1 || text.includes('_')) return last.index;
  return isGroupSeparator(text, last.index, hints) ? -1 : last.index;
}

/** Whether a single separator followed by exactly three digits groups thousands. */
function isGroupSeparator(text: string, at: number, { currency, language, machine }: AmountHints): boolean {
  const before = text.slice(0, at);
  if (text.length - at - 1 !== 3 || before.length > 3 || before.startsWith('0')) return false;
  if (currency && withThreeDecimals.has(currency)) return false;
  if (currency && withoutDecimals.has(currency)) return true;
  return !(machine && text[at] === '.' && !usesDecimalComma(language));
}

/** Whether digits are grouped in threes, or in the Indian system (twos before the last three), with one separator. */
function isGrouped(whole: string): boolean {
  if (/^\d+$/.test(whole)) return true;
  if (new Set(whole.replace(/\d/g, '')).size > 1) return false;
  return /^\d{1,3}(?:\D\d{3})+$/.test(whole) || /^\d{1,2}(?:\D\d{2})*\D\d{3}$/.test(whole);
}

function normalise(whole: string, fraction: string): Decimal | null {
  if (whole.length + fraction.length > maxDigits) return null;
  const int = whole.replace(/^0+(?=\d)/, '');
  const decimals = fraction.replace(/0+$/, '');
  return decimals ? `${int}.${decimals}` : int;
}

/** A JSON number as a decimal; null where it is not a plain non-negative number. */
export function decimalOf(value: number): Decimal | null {
  const match = /^(\d+)(?:\.(\d+))?$/.exec(String(value));
  return match ? normalise(match[1] ?? '', match[2] ?? '') : null;
}

/** The only place where an amount becomes a float. */
export const toNumber = (amount: Decimal): number => Number(amount);

export const isZero = (amount: Decimal): boolean => /^[0.]*$/.test(amount);

/** Shifts the decimal point: 1 converts tomans to rials, -2 cents to euros. */
export function shift(amount: Decimal, places: number): Decimal {
  const [int = '', fraction = ''] = amount.split('.');
  const digits =
    int.padStart(Math.max(int.length, 1 - places), '0') + fraction.padEnd(Math.max(fraction.length, places), '0');
  const point = Math.max(int.length, 1 - places) + places;
  return normalise(digits.slice(0, point), digits.slice(point)) ?? amount;
}

/** Comparator for sorting amounts in ascending order. */
export function compareAmounts(a: Decimal, b: Decimal): number {
  const [intA = '', fractionA = ''] = a.split('.');
  const [intB = '', fractionB = ''] = b.split('.');
  if (intA.length !== intB.length) return intA.length - intB.length;
  const [left, right] = [`${intA}.${fractionA}`, `${intB}.${fractionB}`];
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
