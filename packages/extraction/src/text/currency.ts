/** Which currency a symbol, code or word stands for, and which it could stand for. */

/** What a page calls a currency: the codes it may mean, the one it means in the page's language, and the page's word. */
export type CurrencyMark = { codes: readonly string[]; currency: string | null; label: string };

const codes =
  'AED AMD ARS AUD AZN BDT BGN BHD BRL CAD CHF CLP CNY COP CRC CZK DKK DOP DZD EGP EUR GBP GEL GHS HKD HRK HUF IDR ILS INR IQD IRR ISK JOD JPY KES KRW KWD KZT LKR MAD MXN MYR NGN NOK NPR NZD OMR PEN PHP PKR PLN QAR RON RSD RUB SAR SEK SGD THB TND TRY TWD UAH USD UYU UZS VND ZAR';

const isoCodes = new Set(codes.split(' '));

/** A pattern, what it may mean (the most likely first), and the languages or regions outside which it means nothing. */
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

/** Which code an ambiguous mark means where the page is in this language or from this region. */
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
/** Marks that mean one currency wherever the language doesn't say another. The others are no guess of ours. */
const defaults = new Set(['USD', 'GBP', 'INR', 'AED', 'SAR', 'KWD', 'IRR']);

/** Scripts that put spaces between words: a mark written in them is a whole word. */
const letter = '\\p{Script=Latin}\\p{Script=Cyrillic}\\p{Script=Arabic}';

/** A source for patterns that matches any mark; letters never match inside words. */
export const markPattern = [...marks.map((mark) => mark.pattern), [...isoCodes].join('|')]
  .map((pattern) => `(?<![${letter}$])(?=[${letter}])(?:${pattern})(?![${letter}])|(?![${letter}])(?:${pattern})`)
  .join('|');

const compiled = marks.map((mark) => ({ ...mark, whole: new RegExp(`^(?:${mark.pattern})$`, 'u') }));

/** What `word` means on a page in `language`, or undefined where it is no currency. */
export function readCurrency(word: string, language: string): CurrencyMark | undefined {
  const label = word.trim();
  const [tongue = '', region = ''] = language.toLowerCase().split(/[-_]/);
  if (isoCodes.has(label.toUpperCase()) && label.length === 3) {
    return { codes: [label.toUpperCase()], currency: label.toUpperCase(), label };
  }
  const mark = compiled.find((candidate) => candidate.whole.test(label));
  if (mark === undefined || (mark.only && !mark.only.includes(tongue) && !mark.only.includes(region))) return undefined;
  return { codes: mark.codes, currency: meant(mark.codes, tongue, region), label };
}

function meant(candidates: string[], tongue: string, region: string): string | null {
  const [first] = candidates;
  if (first === undefined) return null;
  if (candidates.length === 1) return first;
  const local = [...(byRegion[region] ?? []), ...(byLanguage[tongue] ?? [])].find((code) => candidates.includes(code));
  return local ?? (defaults.has(first) ? first : null);
}

/** A code from structured data, which writes `EUR`, `eur`, `€` or `TL`. */
export function currencyCode(value: string | null, language: string): string | null {
  if (value === null) return null;
  const code = value.trim().toUpperCase();
  return readCurrency(value, language)?.currency ?? (/^[A-Z]{3}$/.test(code) && code !== 'IRT' ? code : null);
}
