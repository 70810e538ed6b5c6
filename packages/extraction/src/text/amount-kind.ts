/** Classifies amounts as price, shipping, instalment and so on by the words around them, in the shops' languages. */

/** `price` unless the surrounding words indicate another kind. */
export type AmountKind = 'price' | 'former' | 'instalment' | 'unit' | 'shipping' | 'saving';

/** Matches `words` at the start of a word (languages with spaces), and `anywhere` at any position (other languages). */
const near = (words: string, anywhere: string): RegExp => new RegExp(`(?<!\\p{L})(?:${words})|${anywhere}`, 'iu');
/** Matches `words` directly after an amount. */
const behind = (words: string): RegExp => new RegExp(`^[\\s\\u00a0]*(?:${words})`, 'iu');

const former = near(
  'was\\b|were\\b|rrp|msrp|srp|list price|regular(?:ly)?\\b|original(?:ly)?|old price|before\\b|compare at|retail price|previously|' +
    'statt|uvp|unverbindl|bisher|vorher|früher|alter preis|listenpreis|ehemal|streichpreis|' +
    'au lieu|avant\\b|ancien prix|prix (?:conseillé|barré|de référence|habituel)|antes\\b|precio (?:anterior|recomendado|original)|pvpr|era\\b|de:|' +
    'invece|prima\\b|prezzo (?:precedente|consigliato|di listino)|anziché|preço (?:anterior|original)|adviesprijs|van voor|was:|normaal|' +
    'eski fiyat|liste fiyat|önceki|før\\b|førpris|veil|ordinarie|tidligere|normalpris|rek\\.? pris|cena (?:regularna|katalogowa)|najniższa|původní|běžná|' +
    'старая цена|было|вместо',
  'قیمت قبل|قبلاً|به جای|بجای|السعر (?:السابق|القديم|الأصلي)|بدلا|بدلاً|كان|通常価格|定価|参考価格|メーカー希望|希望小売|原价|原價|市场价|정가|정상가',
);
const instalment = near(
  '\\d+\\s*(?:x|×|mal|fois|cuotas|rate|raten|mensualit|prestações|parcelas|taksit|payments|instal\\w*|termijnen|interest-free|avdrag|delbetal)|' +
    'x de\\b|payments? of|instal|monthly|mtl\\.?|monatlich|raten|ratenzahlung|finanzierung|par mois|mensual|a plazos|mensile|rata|parcel|maandelijks|' +
    'per month|klarna|afterpay|taksit|delbetaling|pr\\.? måned',
  'قسط|اقساط|أقساط|تقسيط|ماهانه|شهري|分割|回払い|月々|分期|할부',
);
const instalmentBehind = behind(
  '(?:[x×*]\\s*\\d+\\b|/\\s*(?:mo\\b|month|monat|mois|mes|mês|mese|maand|ay\\b|mnd|mån)|(?:per|pro|par|al|por|a|im|pr\\.?|i)\\s+(?:month|monat|mois|mes|mês|mese|maand|måned)|' +
    'monthly|mtl|monatl|mensuel|mensual|mensil|aylık|در ماه|ماهانه|شهريا|/月)',
);
const measure =
  '(?:\\d+(?:[.,]\\d+)?\\s*)?(?:kg|g|mg|gr|gram|gramm|l|ml|cl|dl|litre|liter|litro|kilo|oz|lb|fl|gal|m|cm|m²|m2|m³|sqm|sq|ft|mètre|meter|metro|wash|100)(?![\\p{L}\\d])|کیلو|گرم|لیتر|متر|كغ|كجم|لتر';
const unitBehind = behind(
  `\\)?\\s*(?:/|per|pro|par|por|je|al|all'|il|el|le|la|der|die|pr\\.?|هر|لكل|за)\\s*(?:${measure})`,
);
const unit = near(
  `(?:\\d+(?:[.,]\\d+)?\\s*)(?:kg|g|gr|l|ml|cl|dl|m|m²|oz|lb|st|stück|stk)\\s*=\\s*[^\\d]{0,4}$|grundpreis|unit price|price per|prix (?:au|à l)|precio (?:por|al)|prezzo (?:al|per)|preço por|prijs per|birim fiyat|jämförpris|enhetspris|je 100`,
  '単価|あたり',
);
const shipping = near(
  'shipping|delivery|postage|returns?\\b|freight|free over|orders? (?:over|above)|' +
    'versand|lieferung|liefer|porto|rücksend|rückgabe|livraison|frais|retour|port\\b|envío|envio|gastos|devoluci|spedizione|reso\\b|frete|entrega|devoluç|' +
    'verzend|bezorg|retourn|kargo|iade|frakt|levering|leverans|retur|dostaw|wysył|zwrot|doprava|достав|возврат',
  'ارسال|بازگشت|مرجوع|پست\\b|شحن|توصيل|إرجاع|الإرجاع|送料|配送|返送|返品|运费|運費|배송',
);
const shippingBehind = behind(
  '(?:shipping|delivery|postage|p&p|versand|lieferung|porto|de (?:port|livraison|frais|envío|envio|frete)|di spedizione|spedizione|frete|verzend|kargo|frakt|هزینه ارسال|شحن|送料)',
);
const saving = near(
  'save\\b|you save|saving|off\\b|discount|voucher|coupon|code\\b|gift card|deposit|credit|points|min(?:imum|\\.)|' +
    'sparen|ersparnis|spare\\b|rabatt|gutschein|pfand|kaution|guthaben|économ|remise|bon d|consigne|ahorr|descuento|cupón|vale\\b|risparm|sconto|buono|econom|desconto|cupom|' +
    'bespaar|korting|tegoed|indirim|kupon|spar\\b|kupong|rabat|oszcz|sleva|скидк|бонус',
  'تخفیف|کوپن|خصم|قسيمة|وفر|クーポン|ポイント|割引|优惠|할인',
);
const savingBehind = behind(
  '(?:off\\b|discount|rabatt|gespart|de (?:réduction|remise|descuento|desconto)|di sconto|korting|indirim|تخفیف|خصم|引き|オフ|ポイント)',
);

/** Distance before an amount within which words describe it. */
const maxLeadCharacters = 60;

/** The kind of an amount between the texts `before` (since the amount before it) and `after`. */
export function kindOf(before: string, after: string): AmountKind {
  // An earlier sentence or list item describes something else.
  const lead = (
    before
      .slice(-maxLeadCharacters)
      .split(/[!?|·•;\n。]|\.\s|~~/)
      .at(-1) ?? ''
  ).slice(-maxLeadCharacters);
  if (instalmentBehind.test(after) || instalment.test(lead)) return 'instalment';
  if (unitBehind.test(after) || unit.test(lead)) return 'unit';
  if (shippingBehind.test(after) || shipping.test(lead)) return 'shipping';
  if (savingBehind.test(after) || saving.test(lead) || /(?:^|[\s(])[-−–]$/.test(lead)) return 'saving';
  return former.test(lead) || /^\s*(?:de|van)\s*:?\s*$/i.test(lead) ? 'former' : 'price';
}
