/** Tests reading written amounts and currencies. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCurrency } from '../src/text/currency.ts';
import { findMoney } from '../src/text/money.ts';
import { compareAmounts, decimalOf, parseAmount, shift } from '../src/text/price.ts';

describe('parseAmount', () => {
  it.each([
    ['1.234,56', 'de', 'EUR', '1234.56'],
    ['1,234.56', 'en', 'USD', '1234.56'],
    ['1,23,456', 'en-IN', 'INR', '123456'],
    ['12,34,567.50', 'hi', 'INR', '1234567.5'],
    ['1’299.–', 'de-CH', 'CHF', '1299'],
    ["1'299.50", 'de-CH', 'CHF', '1299.5'],
    ['1 299,–', 'de', 'EUR', '1299'],
    ['749,-', 'nb', 'NOK', '749'],
    ['49:-', 'sv', 'SEK', '49'],
    ['12,800', 'ja', 'JPY', '12800'],
    ['12.800', 'vi', 'VND', '12800'],
    ['12.800', 'de', 'EUR', '12800'],
    ['12,800', 'en', 'USD', '12800'],
    ['12.800', 'en', 'KWD', '12.8'],
    ['۱٬۸۵۰٬۰۰۰', 'fa', null, '1850000'],
    ['۴۵٫۵', 'fa', null, '45.5'],
    ['١٬٢٣٤٫٥٠', 'ar', 'SAR', '1234.5'],
    ['१,२३,४५६', 'hi', 'INR', '123456'],
    ['12,800', 'ja', 'JPY', '12800'],
    ['2\u00a0499,90', 'fr', 'EUR', '2499.9'],
    ['2\u202f499', 'fr', 'EUR', '2499'],
    ['0,99', 'de', 'EUR', '0.99'],
    ['0.125', 'en', 'USD', '0.125'],
    ['49.90', 'de', 'EUR', '49.9'],
    ['1.234.567', 'de', 'EUR', '1234567'],
    ['007', 'en', 'USD', '7'],
  ])('%s in %s (%s) is %s', (raw, language, currency, amount) => {
    expect(parseAmount(raw, { language, currency })).toBe(amount);
  });

  it.each(['12.05.2024', '1.2.3', '12,34,56', '1..2', '', 'abc', '1234567890123456', "1'23"])(
    '%s is no amount',
    (raw) => {
      expect(parseAmount(raw, { language: 'de' })).toBeNull();
    },
  );

  it('keeps digits exact in shift and comparison', () => {
    expect(shift('1850000', 1)).toBe('18500000');
    expect(shift('5', -2)).toBe('0.05');
    expect(shift('12995', -2)).toBe('129.95');
    expect(shift('12.3', 1)).toBe('123');
    expect(['10', '9.5', '9.45', '100'].sort(compareAmounts)).toEqual(['9.45', '9.5', '10', '100']);
    expect([decimalOf(49.9), decimalOf(1e21), decimalOf(-1), decimalOf(Number.NaN)]).toEqual([
      '49.9',
      null,
      null,
      null,
    ]);
  });
});

const locales: [locale: string, currency: string][] = [
  ['en-US', 'USD'],
  ['en-IN', 'INR'],
  ['hi-IN', 'INR'],
  ['de-DE', 'EUR'],
  ['de-AT', 'EUR'],
  ['de-CH', 'CHF'],
  ['fr-FR', 'EUR'],
  ['fr-CA', 'CAD'],
  ['es-ES', 'EUR'],
  ['it-IT', 'EUR'],
  ['pt-BR', 'BRL'],
  ['nl-NL', 'EUR'],
  ['tr-TR', 'TRY'],
  ['nb-NO', 'NOK'],
  ['sv-SE', 'SEK'],
  ['da-DK', 'DKK'],
  ['pl-PL', 'PLN'],
  ['cs-CZ', 'CZK'],
  ['ru-RU', 'RUB'],
  ['uk-UA', 'UAH'],
  ['ja-JP', 'JPY'],
  ['zh-CN', 'CNY'],
  ['ko-KR', 'KRW'],
  ['fa-IR', 'IRR'],
  ['ar-EG', 'EGP'],
  ['ar-SA', 'SAR'],
  ['en-GB', 'GBP'],
  ['en-CA', 'CAD'],
  ['en-AU', 'AUD'],
  ['he-IL', 'ILS'],
  ['th-TH', 'THB'],
  ['vi-VN', 'VND'],
  ['id-ID', 'IDR'],
  ['hu-HU', 'HUF'],
  ['bg-BG', 'BGN'],
  ['ro-RO', 'RON'],
];

describe('any amount', () => {
  it.each(locales)('formatted for %s in %s is read back with its currency', (locale, currency) => {
    const formats = (['symbol', 'code'] as const).map(
      (currencyDisplay) => new Intl.NumberFormat(locale, { style: 'currency', currency, currencyDisplay }),
    );
    const places = formats[0]?.resolvedOptions().maximumFractionDigits ?? 2;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999_999 }), fc.constantFrom(...formats), (units, format) => {
        const digits = String(units).padStart(places + 1, '0');
        const amount = places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`;
        const text = format.format(amount as `${number}`).replace(/[\u200e\u200f\u061c]/g, '');
        expect(findMoney(text, locale), text).toMatchObject([
          { amount: decimalOf(Number(amount)), mark: { currency }, certain: true },
        ]);
      }),
      { numRuns: 60 },
    );
  });

  it('found in random text is well-formed, without errors', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('en', 'de', 'fa', 'ja', '', 'xx-YY', 'fr'),
        (text, language) => {
          for (const { amount } of findMoney(text, language)) expect(amount).toMatch(/^\d+(?:\.\d+)?$/);
          parseAmount(text, { language });
          readCurrency(text, language);
        },
      ),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom(
            '1',
            '23',
            '456',
            '.',
            ',',
            "'",
            ' ',
            '\u00a0',
            '€',
            '$',
            'kr',
            '–',
            '~~',
            '٫',
            '۵',
            'Rs.',
            '%',
          ),
          { maxLength: 20 },
        ),
        (parts) => {
          for (const { amount, start, end } of findMoney(parts.join(''), 'en')) {
            expect(amount).toMatch(/^\d+(?:\.\d+)?$/);
            expect(start).toBeLessThan(end);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('currencies', () => {
  it.each([
    ['kr', 'nb', 'NOK'],
    ['kr', 'sv', 'SEK'],
    ['kr.', 'da', 'DKK'],
    ['kr', 'en', null],
    ['$', 'en', 'USD'],
    ['$', 'en-CA', 'CAD'],
    ['$', 'es-MX', 'MXN'],
    ['CA$', 'en', 'CAD'],
    ['A$', 'en', 'AUD'],
    ['R$', 'pt', 'BRL'],
    ['US$', 'pt', 'USD'],
    ['TL', 'tr', 'TRY'],
    ['₺', 'en', 'TRY'],
    ['¥', 'ja', 'JPY'],
    ['¥', 'zh', 'CNY'],
    ['¥', 'en', null],
    ['円', 'ja', 'JPY'],
    ['£', 'en', 'GBP'],
    ['€', 'fr', 'EUR'],
    ['₹', 'hi', 'INR'],
    ['zł', 'pl', 'PLN'],
    ['Kč', 'cs', 'CZK'],
    ['лв', 'bg', 'BGN'],
    ['₽', 'ru', 'RUB'],
    ['₴', 'uk', 'UAH'],
    ['﷼', 'fa', 'IRR'],
    ['ریال', 'fa', 'IRR'],
    ['ريال', 'ar', 'SAR'],
    ['﷼', 'ar', 'SAR'],
    ['تومان', 'fa', null],
    ['eur', 'de', 'EUR'],
    ['R', 'en-ZA', 'ZAR'],
  ])('%s in %s is %s', (word, language, currency) => {
    expect(readCurrency(word, language)?.currency).toBe(currency);
  });

  it('keep the page’s word without a code', () => {
    expect(findMoney('۱٬۸۵۰٬۰۰۰ تومان', 'fa')).toMatchObject([
      { amount: '1850000', mark: { currency: null, label: 'تومان' } },
    ]);
  });

  it('are not found in other words', () => {
    expect(readCurrency('R', 'en')).toBeUndefined();
    expect(
      findMoney('Krone 12, Size R 12, 3 dollies, TOP 10, 5 Eurobonds', 'en').filter(({ certain }) => certain),
    ).toEqual([]);
  });
});

describe('amounts in text', () => {
  const kinds = (text: string, language = 'en') =>
    findMoney(text, language)
      .filter(({ certain }) => certain)
      .map(({ amount, kind }) => `${amount} ${kind}`);

  it.each([
    ['en', '£24.00 – £39.00', ['24 price', '39 price']],
    ['de', 'Breite 80 cm: 19,99 € · 160 cm: 35,00 €', ['19.99 price', '35 price']],
    ['de', '349,00 € + 19,00 € Versand – KameraKiste', ['349 price', '19 shipping']],
    ['de', '79,00 € inkl. MwSt., zzgl. Versand', ['79 price']],
    ['de', 'ab 19,99 € / Stück', ['19.99 price']],
    ['de', '4,99 € (1 kg = 9,98 €)', ['4.99 price', '9.98 unit']],
    ['de', '4,99 € 0,5 l (9,98 €/l)', ['4.99 price', '9.98 unit']],
    ['de', 'UVP 99,00 € 79,00 €', ['99 former', '79 price']],
    ['de', 'statt 99,00 € jetzt nur 79,00 €', ['99 former', '79 price']],
    ['de', 'oder 12 Raten zu 6,58 €', ['6.58 instalment']],
    ['en', 'Was $99.00 Now $79.00', ['99 former', '79 price']],
    ['en', '~~$99.00~~ $79.00', ['99 former', '79 price']],
    ['en', '4 interest-free payments of $19.75', ['19.75 instalment']],
    ['en', '$19.75/month', ['19.75 instalment']],
    ['en', '$3.99 / 100 g', ['3.99 unit']],
    ['en', 'Return postage is $6.95 and is taken off your refund.', ['6.95 shipping']],
    ['en', '-$20.00 today', ['20 saving']],
    ['en', 'Save $20.00', ['20 saving']],
    ['fr', 'au lieu de 99,00 € : 79,00 €', ['99 former', '79 price']],
    ['fr', 'ou 3 x 26,33 €', ['26.33 instalment']],
    ['pt', 'De R$ 99,90 por R$ 79,90', ['99.9 former', '79.9 price']],
    ['pt', '12x de R$ 6,66 sem juros', ['6.66 instalment']],
    ['tr', '14 gün içinde iade; iade kargo ücreti 89,90 TL.', ['89.9 shipping']],
    ['ja', '通常価格 ¥15,000 特価 ¥12,800', ['15000 former', '12800 price']],
    ['ja', '返送料¥880はお客様のご負担となります。', ['880 shipping']],
    ['fa', 'هزینه بازگشت ۴۵٬۰۰۰ تومان است.', ['45000 shipping']],
    ['sv', '2 499 kr', ['2499 price']],
    ['de', 'Lumi 2 359,00 €', ['359 price']],
    ['en', 'Rs. 1,23,456', ['123456 price']],
  ])('%s: %s', (language, text, expected) => {
    expect(kinds(text, language)).toEqual(expected);
  });
});
