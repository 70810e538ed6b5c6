/** Reads amounts of money as shops write them, in any digits and with any separators. */

export type Amount = {
  /** As it stands in the text, its currency included. */
  text: string;
  value: number;
  /** ISO 4217; null for a currency that has no code. */
  currency: string | null;
  /** The text's own word for a currency without a code. */
  label: string | null;
  index: number;
};

const codes = 'EUR USD GBP CHF JPY CAD AUD TRY SEK NOK DKK PLN CZK IRR AED SAR INR CNY BRL'.split(' ');

/** Signs and words of currencies; null has no ISO code. Those that hold another one come before it. */
const signs: Record<string, string | null> = {
  CA$: 'CAD',
  A$: 'AUD',
  US$: 'USD',
  R$: 'BRL',
  $: 'USD',
  '€': 'EUR',
  '£': 'GBP',
  '￥': 'JPY',
  '¥': 'JPY',
  円: 'JPY',
  元: 'CNY',
  '₺': 'TRY',
  TL: 'TRY',
  '₹': 'INR',
  '₽': 'RUB',
  '₩': 'KRW',
  zł: 'PLN',
  'Fr.': 'CHF',
  kr: 'NOK',
  تومان: null,
  تومن: null,
  ریال: 'IRR',
  درهم: 'AED',
  'ر.س': 'SAR',
  ...Object.fromEntries(codes.map((code) => [code, code])),
};
const isoOf = new Map(Object.entries(signs).map(([sign, iso]) => [sign.toLowerCase(), iso]));

/** A sign of Latin letters is no part of a word: `TL` isn't in `title`. */
const signPattern = (sign: string): string =>
  sign
    .replace(/[.$]/g, '\\$&')
    .replace(/^(?=[a-z])/i, '(?<![a-z])')
    .replace(/(?<=[a-zł])$/i, '(?![a-z])');

const sign = `(?:${Object.keys(signs).map(signPattern).join('|')})`;
const digit = '[\\d۰-۹٠-٩]';
const number = `${digit}(?:[\\d۰-۹٠-٩.,٬٫'’\\u00a0\\u202f]*${digit})?(?:[.,][–—-]{1,2})?`;
const space = '[ \\u00a0\\u202f]?';
const amountPattern = new RegExp(
  `(?<before>${sign})${space}(?<first>${number})|(?<second>${number})${space}(?<after>${sign})`,
  'giu',
);

/** Amounts that aren't what a thing costs: shipping, instalments, savings, what it cost before. */
const otherAmounts =
  /shipping|delivery|returns?\b|voucher|coupon|instalment|per month|\bwas\b|you save|discount|basket|\bcart\b|versand|liefer(?:ung|kosten)|monatsrate|\braten?\b|gutschein|rabatt|\bstatt\b|\buvp\b|warenkorb|mwst\. oder|kargo|taksit|indirim|sepet|ارسال|قسط|تخفیف|سبد|شحن|توصيل|送料|分割|値引|クーポン|カート/iu;

/** Whether the amounts of a line are about something else than a price. */
export const isOtherAmount = (line: string): boolean => otherAmounts.test(line);

/** Every amount with a currency in `text`, in its order; `language` as in a page's `lang`. */
export function amountsIn(text: string, language = 'en'): Amount[] {
  const found: Amount[] = [];
  for (const match of text.matchAll(amountPattern)) {
    const { before, first, second, after } = match.groups ?? {};
    const written = (before ?? after ?? '').toLowerCase();
    const value = readNumber(first ?? second ?? '');
    if (value === undefined) continue;
    const iso = isoOf.get(written) ?? null;
    const local = written === 'kr' ? (crowns[language] ?? iso) : iso;
    found.push({ text: match[0], value, currency: local, label: iso === null ? written : null, index: match.index });
  }
  return found;
}

const crowns: Record<string, string> = { sv: 'SEK', da: 'DKK', nb: 'NOK', no: 'NOK' };

/** `1.234,56`, `1,234.56`, `1’299.–` and `۴٬۸۵۰٬۰۰۰` as numbers: the last separator is decimal unless three digits follow. */
export function readNumber(written: string): number | undefined {
  const western = written
    .replace(/[.,][–—-]+$/, '')
    .replace(/[۰-۹]/g, (d) => String(d.charCodeAt(0) - 0x06f0))
    .replace(/[٠-٩]/g, (d) => String(d.charCodeAt(0) - 0x0660));
  const last = /[.,٫](?=\d+$)/.exec(western)?.index;
  const tail = last === undefined ? '' : western.slice(last + 1);
  const isDecimal = last !== undefined && (western[last] === '٫' || tail.length !== 3);
  const whole = (isDecimal ? western.slice(0, last) : western).replace(/\D/g, '');
  const value = Number(isDecimal ? `${whole}.${tail}` : whole);
  return whole === '' || !Number.isFinite(value) ? undefined : value;
}
