/** Reads products off the text of a page as a careful person would: what it doesn't say is null, never a guess. */
import { type Amount, amountsIn, isOtherAmount } from './money.ts';
import { type PageSection, type PageText, readPageText } from './page-text.ts';

/** Field names as product schemas have them; a schema takes those that it knows. */
export type ReadProduct = {
  name: string;
  price_text: string | null;
  price: number | null;
  price_max_text: string | null;
  price_max: number | null;
  currency: string | null;
  currency_label: string | null;
  availability: 'in_stock' | 'out_of_stock' | 'unknown';
  sku: string | null;
  gtin: string | null;
  mpn: string | null;
  brand: string | null;
  description: string | null;
};

const minDescriptionChars = 25;
/** A longer line may speak of stock and still describe the thing. */
const maxStockChars = 60;
const maxDescriptionChars = 500;
const maxProducts = 100;

/** Headings below which other things are sold, or spoken of. */
const elsewhere =
  /related|also like|similar|recommended|recently viewed|customers|reviews?|bought|gefallen|ähnliche|kunden|zuletzt|bewertung|benzer|ilginizi|yorum|بپسندید|مشابه|مرتبط|نظر|قد يعجبك|مشابهة|おすすめ|関連|最近|お客様/iu;

const outOfStock =
  /out of stock|sold out|unavailable|discontinued|ausverkauft|nicht (?:auf lager|verfügbar|lieferbar|vorrätig)|ناموجود|تمام شد|اتمام موجودی|tükendi|stokta yok|在庫切れ|売り切れ|品切れ|épuisé|agotado|esgotado|utsolgt|غير متوفر|نفد/iu;
const inStock =
  /in stock|available now|only a few left|auf lager|lieferbar|vorrätig|verfügbar|موجود|stokta|在庫あり|en stock|em stock|no estoque|disponible|disponível|på lager|متوفر/iu;

const labels = {
  sku: /(?:\bsku|art(?:ikel)?\.?[ -]?(?:nr|no|nummer)\.?|artikelnummer|\bart\.|\bitem(?: no\.?| number)?|\br[ée]f\.?|\bc[óo]d\.|varenr\.?|(?:ürün|stok) kodu|کد (?:کالا|محصول)|شناسه کالا|رمز المنتج|品番|商品番号|商品コード)\s*[:：#.]?\s*(?<value>[\p{L}\p{N}](?:[\p{L}\p{N}._/-]*[\p{L}\p{N}])?)/iu,
  gtin: /\b(?:gtin|ean|isbn)(?:-?13)?\s*[:：]?\s*(?<value>\d{8,14})\b/iu,
  mpn: /\b(?:mpn|model(?:l)? ?(?:no|nr|number)\.?)\s*[:：]?\s*(?<value>[\p{L}\p{N}](?:[\p{L}\p{N}._/-]*[\p{L}\p{N}])?)/iu,
  brand:
    /^(?:brand|marke|hersteller|marka|marque|manufacturer|برند|سازنده|العلامة التجارية|ブランド|メーカー)\s*[:：]\s*(?<value>[^.;|]+)/iu,
};

/** Every product that a page offers; none where nothing on it says so. */
export function readProducts(page: string): ReadProduct[] {
  const text = readPageText(page);
  const end = text.sections.findIndex(({ heading }, index) => index > 0 && elsewhere.test(heading));
  const own = { ...text, sections: end < 0 ? text.sections : text.sections.slice(0, end) };
  const main = own.sections.findIndex(({ level }) => level === 1);
  const priced = own.sections.slice(1).filter((section) => pricesOf(section, text.language).length > 0);
  // One price under the main heading is a product's page, whatever has prices further down.
  if (main > 0 && priced[0] === own.sections[main]) return [readProduct(own, own.sections.slice(main))];
  if (priced.length > 1) return priced.slice(0, maxProducts).map((section) => readProduct(own, [section]));
  const [only] = priced;
  if (only) return [readProduct(own, own.sections.slice(own.sections.indexOf(only)))];
  return readWithoutHeading(own);
}

/** A page whose price stands under no heading, or nowhere: a product still, if something else says that it is one. */
function readWithoutHeading(text: PageText): ReadProduct[] {
  const heading = text.sections.find(({ level }) => level > 0)?.heading ?? text.title;
  const all = { level: 1, heading, lines: text.sections.flatMap(({ lines }) => lines) };
  const product = readProduct(text, [all]);
  const isOffered = product.price !== null || product.sku !== null || product.availability !== 'unknown';
  return heading === '' || !isOffered ? [] : [product];
}

function readProduct({ language }: PageText, sections: PageSection[]): ReadProduct {
  const lines = sections.flatMap((section) => section.lines);
  const all = lines.join('\n');
  const [price, highest] =
    sections.map((section) => pricesOf(section, language)).find((found) => found.length > 0) ?? [];
  const read = (name: keyof typeof labels): string | null =>
    lines.map((line) => labels[name].exec(line)?.groups?.value?.trim()).find(Boolean) ?? null;
  const sku = lines.map((line) => labels.sku.exec(line)?.groups?.value).find((value) => value && /[\d۰-۹]/.test(value));
  return {
    name: sections[0]?.heading ?? '',
    price_text: price?.text ?? null,
    price: price?.value ?? null,
    price_max_text: highest?.text ?? null,
    price_max: highest?.value ?? null,
    currency: price?.currency ?? null,
    currency_label: price?.label ?? null,
    availability: outOfStock.test(all) ? 'out_of_stock' : inStock.test(all) ? 'in_stock' : 'unknown',
    sku: sku ?? null,
    gtin: read('gtin'),
    mpn: read('mpn'),
    brand: read('brand'),
    description:
      lines
        .find((line) => isProse(line, language))
        ?.slice(0, maxDescriptionChars)
        .toWellFormed() ?? null,
  };
}

/** The first price of a section, and the end of its range where the same line has one: `€34.00 – €52.50`. */
function pricesOf({ lines }: PageSection, language: string): Amount[] {
  for (const line of lines) {
    if (isOtherAmount(line)) continue;
    const [first, second] = amountsIn(line, language).filter(({ value }) => value > 0);
    if (!first) continue;
    const between = second ? line.slice(first.index + first.text.length, second.index).trim() : '';
    return second && /^(?:[-–—~〜]|to|bis|تا|ile)$/iu.test(between) ? [first, second] : [first];
  }
  return [];
}

/** A sentence about the thing: long enough, without an amount, no label, no word on stock, nobody's opinion. */
function isProse(line: string, language: string): boolean {
  return (
    line.length >= minDescriptionChars &&
    /[.!?。؟]/.test(line) &&
    !/^["“„«»”]/.test(line) &&
    !(line.length < maxStockChars && (inStock.test(line) || outOfStock.test(line))) &&
    !isOtherAmount(line) &&
    amountsIn(line, language).length === 0 &&
    !Object.values(labels).some((label) => label.test(line))
  );
}
