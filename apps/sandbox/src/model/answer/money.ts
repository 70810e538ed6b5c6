/** Reads amounts of money as shops write them, in any digits and with any separators. */

/** `text` as it stands, its currency included; `currency` is null for one that has no ISO 4217 code. */
export type Amount = { text: string; value: number; currency: string | null };

const codes = 'EUR USD GBP CHF JPY CAD AUD TRY SEK NOK DKK PLN IRR AED INR CNY BRL'.split(' ');
const signs: Record<string, string | null> = {
  ...Object.fromEntries(codes.map((code) => [code, code])),
  ...{ '€': 'EUR', $: 'USD', '£': 'GBP', '￥': 'JPY', '¥': 'JPY', 円: 'JPY', '₺': 'TRY', TL: 'TRY', '₹': 'INR' },
  ...{ ریال: 'IRR', تومان: null },
};
const sign = `(?<![a-z])(?:${Object.keys(signs).join('|').replace('$', '\\$')})(?![a-z])`;
const digits = "[\\d۰-۹](?:[\\d۰-۹.,٬٫'’]*[\\d۰-۹])?";
const amount = new RegExp(`(?:${sign}\\s?(${digits})|(${digits})\\s?${sign})`, 'giu');

/** The amounts of a text that are above zero, in their order. */
export const amountsIn = (text: string): Amount[] =>
  Array.from(text.matchAll(amount), ([whole, after, before]) => {
    const number = after ?? before ?? '';
    const written = whole.replace(number, '').trim();
    return { text: whole, value: readNumber(number), currency: signs[written] ?? signs[written.toUpperCase()] ?? null };
  }).filter(({ value }) => value > 0);

/** `1.234,56`, `1,234.56` and `۴٬۸۵۰٬۰۰۰` as numbers: the last separator is decimal unless three digits follow it. */
function readNumber(written: string): number {
  const western = written.replace(/[۰-۹]/g, (digit) => String(digit.charCodeAt(0) - 0x06f0));
  const [whole = '', fraction = ''] = /^(.*)[.,٫](\d{1,2}|\d{4,})$/.exec(western)?.slice(1) ?? [western];
  return Number(`${whole.replace(/\D/g, '')}.${fraction}`);
}
