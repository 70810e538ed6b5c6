/** Maps currency symbols, codes and words to the currencies they can mean. */

/** A currency mark on a page: its possible codes, its code in the page's language, and its text. */
export type CurrencyMark = { codes: readonly string[]; currency: string | null; label: string };

const codes =
  'AED AMD ARS AUD AZN BDT BGN BHD BRL CAD CHF CLP CNY COP CRC CZK DKK DOP DZD EGP EUR GBP GEL GHS HKD HRK HUF IDR ILS INR IQD IRR ISK JOD JPY KES KRW KWD KZT LKR MAD MXN MYR NGN NOK NPR NZD OMR PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TND TRY TWD UAH USD UYU UZS VND ZAR';

const isoCodes = new Set(codes.split(' '));

/** A pattern, its possible codes (most likely first), and optionally the only languages or regions where it applies. */
type Mark = { pattern: string; codes: string[]; only?: string[] };

const marks: Mark[] = [
  { pattern: 'US ?\\$', codes: ['USD'] },
  { pattern: '(?:CA|C|CDN) ?\\$|\\$ ?(?:CA|CAD)(?![a-z])', codes: ['CAD'] },
  { pattern: 'AU? ?\\$', codes: ['AUD'] },
  { pattern: 'NZ ?\\$', codes: ['NZD'] },
  { pattern: 'HK ?\\$', codes: ['HKD'] },
  { pattern: 'NT ?\\$', codes: ['TWD'] },
  { pattern: 'S ?\\$', codes: ['SGD'] },
  { pattern: 'R ?\\$', codes: ['BRL'] },
  { pattern: 'MX ?\\$', codes: ['MXN'] },
  {
    pattern: '\\$',
    codes: ['USD', 'CAD', 'AUD', 'NZD', 'SGD', 'HKD', 'TWD', 'MXN', 'ARS', 'CLP', 'COP', 'UYU', 'DOP'],
  },
  { pattern: '€|[Ee]uros?', codes: ['EUR'] },
  { pattern: '£', codes: ['GBP', 'EGP'] },
  { pattern: '\u00a5|\uffe5', codes: ['JPY', 'CNY'] },
  { pattern: '円', codes: ['JPY'] },
  { pattern: '元|人民币', codes: ['CNY', 'TWD', 'HKD'] },
  { pattern: '₹', codes: ['INR'] },
  { pattern: 'Rs\\.?', codes: ['INR', 'PKR', 'LKR', 'NPR'] },
  { pattern: 'रु\\.?|रुपये', codes: ['INR', 'NPR'] },
  { pattern: '৳', codes: ['BDT'] },
  { pattern: '₩|원', codes: ['KRW'] },
  { pattern: '₫|đ', codes: ['VND'] },
  { pattern: '₺|TL|tl', codes: ['TRY'] },
  { pattern: 'zł', codes: ['PLN'] },
  { pattern: 'Kč', codes: ['CZK'] },
  { pattern: '[Kk]r\\.?', codes: ['NOK', 'SEK', 'DKK', 'ISK'] },
  { pattern: 'Ft', codes: ['HUF'] },
  { pattern: '[Ll]ei', codes: ['RON'], only: ['ro'] },
  { pattern: 'лв\\.?', codes: ['BGN'] },
  { pattern: '₽|руб(?:лей|ля|ль)?\\.?|р\\.', codes: ['RUB'] },
  { pattern: '₴|грн\\.?', codes: ['UAH'] },
  { pattern: '₸', codes: ['KZT'] },
  { pattern: '₾', codes: ['GEL'] },
  { pattern: '₪|ש"ח', codes: ['ILS'] },
  { pattern: '฿|บาท', codes: ['THB'] },
  { pattern: '₱', codes: ['PHP'] },
  { pattern: '₦', codes: ['NGN'] },
  { pattern: 'GH₵|₵', codes: ['GHS'] },
  { pattern: 'Rp\\.?', codes: ['IDR'] },
  { pattern: 'RM', codes: ['MYR'] },
  { pattern: 'R', codes: ['ZAR'], only: ['za', 'af', 'zu', 'xh'] },
  { pattern: 'SFr\\.?|Fr\\.', codes: ['CHF'] },
  { pattern: '﷼|ریال', codes: ['IRR', 'SAR', 'QAR', 'OMR', 'YER'] },
  { pattern: 'ريال(?: سعودي)?|ر\\.س\\.?', codes: ['SAR', 'IRR', 'QAR', 'OMR', 'YER'] },
  { pattern: 'تومان|تومن|[Tt]omans?', codes: [] },
  { pattern: 'درهم|د\\.إ\\.?', codes: ['AED', 'MAD'] },
  { pattern: 'د\\.ك\\.?|دينار(?: كويتي)?', codes: ['KWD', 'JOD', 'BHD', 'IQD', 'TND', 'DZD'] },
  { pattern: 'جنيه(?: مصري)?|ج\\.م\\.?', codes: ['EGP'] },
];

/** The code of an ambiguous mark by the page's language or region. */
const byRegion: Record<string, string[]> = {
  us: ['USD'],
  ca: ['CAD'],
  au: ['AUD'],
  nz: ['NZD'],
  sg: ['SGD'],
  hk: ['HKD'],
  tw: ['TWD'],
  mx: ['MXN'],
  ar: ['ARS'],
  cl: ['CLP'],
  co: ['COP'],
  uy: ['UYU'],
  do: ['DOP'],
  no: ['NOK'],
  se: ['SEK'],
  dk: ['DKK'],
  is: ['ISK'],
  jp: ['JPY'],
  cn: ['CNY'],
  in: ['INR'],
  pk: ['PKR'],
  lk: ['LKR'],
  np: ['NPR'],
  ir: ['IRR'],
  sa: ['SAR'],
  qa: ['QAR'],
  om: ['OMR'],
  ma: ['MAD'],
  ae: ['AED'],
  kw: ['KWD'],
  jo: ['JOD'],
  bh: ['BHD'],
  iq: ['IQD'],
  tn: ['TND'],
  dz: ['DZD'],
  eg: ['EGP'],
  gb: ['GBP'],
};
const byLanguage: Record<string, string[]> = {
  nb: ['NOK'],
  nn: ['NOK'],
  no: ['NOK'],
  sv: ['SEK'],
  da: ['DKK'],
  is: ['ISK'],
  ja: ['JPY'],
  zh: ['CNY'],
  fa: ['IRR'],
  ar: ['SAR', 'AED', 'KWD'],
  ur: ['PKR'],
  ne: ['NPR'],
  si: ['LKR'],
};
/** Currencies assumed for an ambiguous mark where the language gives none. Other marks stay undecided. */
const defaults = new Set(['USD', 'GBP', 'INR', 'AED', 'SAR', 'KWD', 'IRR']);

/** Scripts with spaces between words: a mark in them must be a whole word. */
const letter = '\\p{Script=Latin}\\p{Script=Cyrillic}\\p{Script=Arabic}';

/** Pattern source that matches any mark; marks of letters match whole words only. */
export const markPattern = [...marks.map((mark) => mark.pattern), [...isoCodes].join('|')]
  .map((pattern) => `(?<![${letter}$])(?=[${letter}])(?:${pattern})(?![${letter}])|(?![${letter}])(?:${pattern})`)
  .join('|');

const compiled = marks.map((mark) => ({ ...mark, whole: new RegExp(`^(?:${mark.pattern})$`, 'u') }));

/** The currency mark that `word` is on a page in `language`; undefined for other words. */
export function readCurrency(word: string, language: string): CurrencyMark | undefined {
  const label = word.trim();
  const [primary = '', region = ''] = language.toLowerCase().split(/[-_]/);
  if (isoCodes.has(label.toUpperCase()) && label.length === 3) {
    return { codes: [label.toUpperCase()], currency: label.toUpperCase(), label };
  }
  const mark = compiled.find((candidate) => candidate.whole.test(label));
  if (mark === undefined || (mark.only && !mark.only.includes(primary) && !mark.only.includes(region)))
    return undefined;
  return { codes: mark.codes, currency: codeFor(mark.codes, primary, region), label };
}

function codeFor(candidates: string[], primary: string, region: string): string | null {
  const [first] = candidates;
  if (first === undefined) return null;
  if (candidates.length === 1) return first;
  const local = [...(byRegion[region] ?? []), ...(byLanguage[primary] ?? [])].find((code) => candidates.includes(code));
  return local ?? (defaults.has(first) ? first : null);
}

/** The ISO code of a value in structured data, such as `EUR`, `eur`, `€` or `TL`. */
export function currencyCode(value: string | null, language: string): string | null {
  if (value === null) return null;
  const code = value.trim().toUpperCase();
  return readCurrency(value, language)?.currency ?? (/^[A-Z]{3}$/.test(code) && code !== 'IRT' ? code : null);
}
