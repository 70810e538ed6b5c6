/** The words of the shop's frame in the languages it sells in; its amounts are noise to whoever reads a price. */

export type ShopLanguage = 'en' | 'de' | 'fa' | 'ja';

type ShopWords = {
  direction: 'ltr' | 'rtl';
  lamps: string;
  workshop: string;
  basket: string;
  reviews: string;
  related: string;
  shipping: string[];
};

export const shopWords: Record<ShopLanguage, ShopWords> = {
  en: {
    direction: 'ltr',
    lamps: 'Lamps',
    workshop: 'Workshop',
    basket: 'Basket (0) 0.00 EUR',
    reviews: 'What customers say',
    related: 'You may also like',
    shipping: [
      'Free shipping from 80 EUR, otherwise 6.90 EUR. Orders before 14:00 leave our workshop in Lisbon the same day.',
      '30 days to return; the return is free within the European Union.',
    ],
  },
  de: {
    direction: 'ltr',
    lamps: 'Leuchten',
    workshop: 'Werkstatt',
    basket: 'Warenkorb (0) 0,00 €',
    reviews: 'Das sagen unsere Kunden',
    related: 'Das könnte Ihnen auch gefallen',
    shipping: ['Versand ab 80,00 € kostenlos, sonst 6,90 €. 30 Tage Rückgaberecht.'],
  },
  fa: {
    direction: 'rtl',
    lamps: 'چراغ‌ها',
    workshop: 'کارگاه',
    basket: 'سبد خرید (۰) ۰ تومان',
    reviews: 'نظر خریداران',
    related: 'شاید این‌ها را هم بپسندید',
    shipping: [
      'ارسال برای خرید بالای ۲٬۰۰۰٬۰۰۰ تومان رایگان است؛ در غیر این صورت ۹۵٬۰۰۰ تومان.',
      '۷ روز ضمانت بازگشت کالا.',
    ],
  },
  ja: {
    direction: 'ltr',
    lamps: '照明',
    workshop: '工房',
    basket: 'カート (0) ￥0',
    reviews: 'お客様の声',
    related: 'こちらもおすすめ',
    shipping: ['送料 880円。11,000円以上のご注文で送料無料。', '返品は到着後30日以内に承ります。'],
  },
};
