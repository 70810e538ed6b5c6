/** What customers of a shop ask about: how they ask, which sentences answer, and how the question is put. */
import type { Language } from './language.ts';
import { amountsIn, isOtherAmount } from './money.ts';

export type Topic = {
  /** Whether a customer's words ask about it. */
  asked: RegExp;
  /** Whether a sentence tells about it. */
  tells: (sentence: string) => boolean;
  /** The question that such a sentence answers; `name` is the thing it is about. */
  question: Record<Language, (name: string) => string>;
};

/** Words of shipping in a sentence, for amounts and days that concern it. */
const shipping = /ship|deliver|versand|liefer|kargo|teslimat|ارسال|تحویل|شحن|توصيل|送料|配送|お届け/iu;
const span =
  /[\d۰-۹٠-٩]+\s*(?:working |business )?(?:days?|weeks?|hours?|tage?n?|werktage?n?|wochen|gün|iş günü|hafta|روز|هفته|ساعت|أيام|يوم|日|営業日|週間)/iu;
const size = /[\d۰-۹٠-٩][\d.,۰-۹٠-٩]*\s*(?:cm|mm|kg|g|m|metres?|inch|سانتی‌?متر|متر|کیلو|سم|センチ)(?!\p{L})/iu;

const hasAmount = (sentence: string): boolean => amountsIn(sentence).length > 0;
const tellsBy =
  (pattern: RegExp) =>
  (sentence: string): boolean =>
    pattern.test(sentence);

/** From the most special to the most general: a sentence belongs to the first topic that it tells about. */
export const topics: readonly Topic[] = [
  {
    asked: /ship|postage|versand|kargo|ارسال|پست|شحن|توصيل|送料|配送/iu,
    tells: (sentence) => shipping.test(sentence) && hasAmount(sentence),
    question: {
      en: () => 'How much does shipping cost?',
      de: () => 'Was kostet der Versand?',
      tr: () => 'Kargo ücreti ne kadar?',
      fa: () => 'هزینهٔ ارسال چقدر است؟',
      ar: () => 'كم تكلفة الشحن؟',
      ja: () => '送料はいくらですか？',
    },
  },
  {
    asked:
      /deliver|arrive|how long .*(?:take|ship)|liefer|ankommen|teslim|kaç günde|تحویل|می‌?رسد|چند روز|تسليم|يصل|届|何日/iu,
    tells: (sentence) => shipping.test(sentence) && span.test(sentence),
    question: {
      en: () => 'How long does delivery take?',
      de: () => 'Wie lange dauert die Lieferung?',
      tr: () => 'Teslimat ne kadar sürer?',
      fa: () => 'تحویل کالا چقدر طول می‌کشد؟',
      ar: () => 'كم يستغرق التوصيل؟',
      ja: () => '配送にはどのくらいかかりますか？',
    },
  },
  {
    asked:
      /return|refund|send (?:it )?back|rückgabe|zurück|umtausch|iade|مرجوع|بازگشت|بازگردان|پس (?:بد|داد)|إرجاع|استرجاع|返品|返金/iu,
    tells: tellsBy(
      /returned|returns?\b|refund|rückgabe|zurück(?:send|geb)|iade|مرجوع|بازگشت|بازگردان|إرجاع|استرجاع|返品|返金/iu,
    ),
    question: {
      en: (name) => `Can I return ${name}?`,
      de: (name) => `Kann ich ${name} zurückgeben?`,
      tr: (name) => `${name} iade edilebilir mi?`,
      fa: (name) => `آیا می‌توانم ${name} را بازگردانم؟`,
      ar: (name) => `هل يمكنني إرجاع ${name}؟`,
      ja: (name) => `${name}は返品できますか？`,
    },
  },
  {
    asked: /guarantee|warranty|garantie|garanti|ضمانت|گارانتی|ضمان|保証/iu,
    tells: tellsBy(/guarantee|warranty|garantie|garanti|ضمانت|گارانتی|ضمان|保証/iu),
    question: {
      en: (name) => `How long is the guarantee on ${name}?`,
      de: (name) => `Wie lange gilt die Garantie für ${name}?`,
      tr: (name) => `${name} garantisi ne kadar?`,
      fa: (name) => `ضمانت ${name} چقدر است؟`,
      ar: (name) => `ما مدة ضمان ${name}؟`,
      ja: (name) => `${name}の保証期間はどのくらいですか？`,
    },
  },
  {
    asked:
      /price|cost|how much|€|\$|preis|kostet|wie ?viel|fiyat|ne kadar|kaç (?:para|tl|lira)|قیمت|چند(?:ه|ست| است|\s*؟|$)|چقدر|سعر|بكم|كم|いくら|値段|価格/iu,
    tells: (sentence) => hasAmount(sentence) && !isOtherAmount(sentence),
    question: {
      en: (name) => `How much does ${name} cost?`,
      de: (name) => `Was kostet ${name}?`,
      tr: (name) => `${name} ne kadar?`,
      fa: (name) => `قیمت ${name} چقدر است؟`,
      ar: (name) => `كم سعر ${name}؟`,
      ja: (name) => `${name}はいくらですか？`,
    },
  },
  {
    asked:
      /in stock|availab|still have|vorrätig|verfügbar|lieferbar|auf lager|haben sie|stok|var mı|موجود|دارید|متوفر|在庫|ありますか/iu,
    tells: tellsBy(
      /in stock|sold out|out of stock|availab|auf lager|ausverkauft|lieferbar|verfügbar|stokta|tükendi|موجود|متوفر|在庫|売り切れ/iu,
    ),
    question: {
      en: (name) => `Is ${name} in stock?`,
      de: (name) => `Ist ${name} auf Lager?`,
      tr: (name) => `${name} stokta var mı?`,
      fa: (name) => `آیا ${name} موجود است؟`,
      ar: (name) => `هل ${name} متوفر؟`,
      ja: (name) => `${name}は在庫がありますか？`,
    },
  },
  {
    asked: /colou?r|farbe|renk|رنگ|لون|ألوان|色/iu,
    tells: tellsBy(/colou?r|comes in \p{L}+, |in den farben|farben?\b|renk|رنگ|ألوان|色/iu),
    question: {
      en: (name) => `Which colours does ${name} come in?`,
      de: (name) => `In welchen Farben gibt es ${name}?`,
      tr: (name) => `${name} hangi renklerde var?`,
      fa: (name) => `${name} در چه رنگ‌هایی موجود است؟`,
      ar: (name) => `ما ألوان ${name}؟`,
      ja: (name) => `${name}は何色がありますか？`,
    },
  },
  {
    asked:
      /how (?:big|tall|high|long|wide|heavy)|size|dimension|weigh|groß|größe|maße|höhe|boyut|ölçü|ابعاد|اندازه|وزن|مقاس|حجم|サイズ|大きさ|重さ/iu,
    tells: tellsBy(size),
    question: {
      en: (name) => `How big is ${name}?`,
      de: (name) => `Wie groß ist ${name}?`,
      tr: (name) => `${name} boyutları nedir?`,
      fa: (name) => `اندازهٔ ${name} چقدر است؟`,
      ar: (name) => `ما مقاسات ${name}؟`,
      ja: (name) => `${name}の大きさはどのくらいですか？`,
    },
  },
  {
    asked: /link|website|url|where can i (?:buy|order)|لینک|سایت|رابط|bağlantı|リンク/iu,
    tells: tellsBy(/https?:\/\//),
    question: {
      en: (name) => `Where can I find ${name}?`,
      de: (name) => `Wo finde ich ${name}?`,
      tr: (name) => `${name} nerede bulunur?`,
      fa: (name) => `${name} را کجا پیدا کنم؟`,
      ar: (name) => `أين أجد ${name}؟`,
      ja: (name) => `${name}はどこで見られますか？`,
    },
  },
  {
    asked:
      /open(?:ing)?\b.*(?:hours|when)|when .*open|closing|öffnungszeit|geöffnet|açık|çalışma saat|ساعت کار|باز است|ساعات|営業時間/iu,
    tells: tellsBy(/opens? at|opening hours|geöffnet|öffnungszeit|çalışma saat|ساعت کار|ساعات العمل|営業時間/iu),
    question: {
      en: () => 'When are you open?',
      de: () => 'Wann haben Sie geöffnet?',
      tr: () => 'Çalışma saatleriniz nedir?',
      fa: () => 'ساعت کاری شما چیست؟',
      ar: () => 'ما ساعات العمل؟',
      ja: () => '営業時間を教えてください。',
    },
  },
];

/** What a sentence answers that belongs to no topic. */
export const generalQuestion: Topic['question'] = {
  en: (name) => `What should I know about ${name}?`,
  de: (name) => `Was sollte ich über ${name} wissen?`,
  tr: (name) => `${name} hakkında ne bilmeliyim?`,
  fa: (name) => `دربارهٔ ${name} چه باید بدانم؟`,
  ar: (name) => `ماذا يجب أن أعرف عن ${name}؟`,
  ja: (name) => `${name}について教えてください。`,
};

/** What stands for a thing without a name. */
export const unnamed: Record<Language, string> = {
  en: 'this product',
  de: 'dieses Produkt',
  tr: 'bu ürün',
  fa: 'این محصول',
  ar: 'هذا المنتج',
  ja: 'この商品',
};
