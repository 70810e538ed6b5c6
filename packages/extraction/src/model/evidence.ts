/** Verifies a model's answer against the page and drops whatever the page does not support. */
import { isPrice, type MoneyPassage, type PageView, placeOf } from '../page/page-view.ts';
import { passagesOf } from '../page/shown-prices.ts';
import type { Availability } from '../product.ts';
import { type FoundProduct, nothingFound } from '../structured/found-product.ts';
import { saidAvailability } from '../text/availability.ts';
import { readCurrency } from '../text/currency.ts';
import { type Money, readings } from '../text/money.ts';
import { containsWords, folded, wordsOf } from '../text/names.ts';
import { compareAmounts, type Decimal, decimalOf, isZero, shift } from '../text/price.ts';
import type { ModelAnswer, ModelProduct } from './answer.ts';

/** Above what a requested answer can contain; further products are ignored. */
const maxProducts = 60;

/** The supported part of the answer. A product with an invented name or price is dropped entirely. */
export function checkAnswer({ products }: ModelAnswer, view: PageView): FoundProduct[] {
  const named = products.slice(0, maxProducts).filter(({ name }) => isNamed(name, view));
  const names = named.map(({ name }) => name);
  const text = mainOf(view)
    .map((passage) => passage.folded)
    .join(' ');
  const page: PageText = { folded: text, words: ` ${wordsOf(text).join(' ')} ` };
  return named.flatMap((claim) => checkProduct(claim, names, view, page) ?? []);
}

/** The text of the page's main part, folded, and its words between spaces. */
type PageText = { folded: string; words: string };

function checkProduct(claim: ModelProduct, names: string[], view: PageView, text: PageText): FoundProduct | undefined {
  const near = passagesOf(claim.name, view, names);
  const low = findPrice(claim.price, claim.currency, near, view);
  const high = findPrice(claim.price_max, claim.currency, near, view);
  if (low === 'invented' || high === 'invented') return undefined;
  const price = low?.amount ?? null;
  const priceMax = price !== null && high && compareAmounts(high.amount, price) > 0 ? high.amount : null;
  return {
    ...nothingFound,
    name: claim.name.normalize('NFC').trim(),
    price,
    priceMax,
    prices: [price, priceMax].filter((amount) => amount !== null),
    ...(low ? currencyOf(claim.currency, low, view) : {}),
    availability:
      names.length > 1
        ? supportedAvailability(claim.availability, near)
        : supportedAvailability(claim.availability, mainOf(view)),
    sku: copiedCode(claim.sku, view),
    brand: copiedWords(claim.brand, view),
    description: isQuoted(claim.description, text) ? claim.description : null,
  };
}

/** Whether the page's main part or title contains the name: as a phrase, or 80% of its words in one place. */
function isNamed(name: string, view: PageView): boolean {
  const words = wordsOf(name);
  if (words.length === 0) return false;
  if (placeOf(name, view) !== -1) return true;
  const title = wordsOf(view.title);
  return [...mainOf(view), { words: title, wordSet: new Set(title) }].some(({ words: text, wordSet: said }) => {
    if (containsWords(text, words)) return true;
    return words.length > 2 && words.filter((word) => said.has(word)).length / words.length >= 0.8;
  });
}

const mainOf = ({ passages }: PageView): MoneyPassage[] => passages.filter(({ beside }) => beside === undefined);

/**
 * The amount on the page that matches a claimed price. Null where no price was claimed, or where the claimed amount is
 * on the page but not this product's price: a former price, shipping, or another product's.
 */
function findPrice(
  claimed: number | null,
  currency: string | null,
  near: MoneyPassage[],
  view: PageView,
): Money | null | 'invented' {
  if (claimed === null) return null;
  const amount = decimalOf(claimed);
  if (amount === null || isZero(amount)) return 'invented';
  const accepts = (passages: MoneyPassage[], wanted: (money: Money) => boolean): Money | undefined =>
    passages
      .flatMap(({ text, money }) =>
        money.filter((one) => wanted(one)).map((one) => matched(one, amount, currency, view.language, text)),
      )
      .find((one) => one !== undefined);
  const main = mainOf(view);
  const current = accepts(near, isPrice) ?? accepts(main, isPrice);
  if (current) return current;
  const isOnPage = accepts(view.passages, ({ certain }) => certain) ?? accepts(main, () => true);
  if (isOnPage === undefined) return 'invented';
  // If the main part has prices and none matches the claim, the claimed amount is something else.
  return main.some((passage) => passage.money.some(isPrice)) ? null : isOnPage;
}

/** The page's amount, read so that it equals the claimed one; undefined where no reading does. */
function matched(
  money: Money,
  claimed: Decimal,
  currency: string | null,
  language: string,
  text: string,
): Money | undefined {
  const reading = readings(money, language, text).find((amount) => amount === claimed);
  if (reading !== undefined) return { ...money, amount: reading };
  // A model may convert tomans to rials although it must not convert; the page's own amount is kept.
  const isToman = money.mark !== null && money.mark.codes.length === 0;
  return isToman && currency === 'IRR' && shift(money.amount, 1) === claimed ? money : undefined;
}

/** The claimed currency where the page's mark allows it and the page supports it; else the mark's own meaning. */
function currencyOf(
  claimed: string | null,
  { mark }: Money,
  view: PageView,
): Pick<FoundProduct, 'currency' | 'currencyLabel'> {
  const code = claimed?.trim().toUpperCase() ?? null;
  const others = view.passages.flatMap(({ money }) => money.flatMap((one) => one.mark ?? []));
  if (mark === null) {
    const supported = code !== null && (others.some(({ codes }) => codes.includes(code)) || mentions(code, view));
    return { currency: supported ? code : null, currencyLabel: null };
  }
  const unambiguous = others.some(({ codes }) => codes.length === 1 && codes[0] === code);
  const supported =
    code !== null && mark.codes.includes(code) && (mark.currency === code || unambiguous || mentions(code, view));
  const currency = supported ? code : mark.currency;
  return { currency, currencyLabel: currency === null ? mark.label : null };
}

const mentions = (code: string, view: PageView): boolean =>
  readCurrency(code, view.language) !== undefined &&
  view.passages.some(({ text }) => new RegExp(`(?<!\\w)${code}(?!\\w)`).test(text));

/** The claimed availability if the passages support it, else `unknown`. */
function supportedAvailability(claimed: Availability, passages: MoneyPassage[]): Availability {
  const said = passages.map(({ text }) => saidAvailability(text));
  if (claimed === 'in_stock') return said.some(({ inStock }) => inStock) ? claimed : 'unknown';
  if (claimed === 'out_of_stock') return said.some(({ outOfStock }) => outOfStock) ? claimed : 'unknown';
  return 'unknown';
}

/** The code if the page's text contains it, else null. */
function copiedCode(value: string | null, { title, passages }: PageView): string | null {
  const code = value?.trim();
  if (!code) return null;
  const wanted = folded(code);
  return isWholeCode(folded(title), wanted) || passages.some((line) => isWholeCode(line.folded, wanted)) ? code : null;
}

/** The phrase if the page's text contains it, else null. */
function copiedWords(value: string | null, { title, passages }: PageView): string | null {
  const phrase = value?.trim();
  if (!phrase) return null;
  const words = wordsOf(phrase);
  return containsWords(wordsOf(title), words) || passages.some((line) => containsWords(line.words, words))
    ? phrase
    : null;
}

/** Whether a line contains a code as a whole, both folded: `SOL-BT` does not match in `SOL-BT-1`. */
function isWholeCode(text: string, wanted: string): boolean {
  if (wanted === '') return false;
  for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, at + 1)) {
    const [before, after] = [text.slice(Math.max(0, at - 4), at), text.slice(at + wanted.length).slice(0, 4)];
    if (!/[\p{L}\p{N}][-_/.]?$/u.test(before) && !/^[-_/.]?[\p{L}\p{N}]/u.test(after)) return true;
  }
  return false;
}

/** Whether a description quotes the page: literally, or with 85% of its three-word sequences. */
function isQuoted(description: string | null, page: PageText): boolean {
  if (!description) return false;
  if (page.folded.includes(folded(description))) return true;
  const words = wordsOf(description);
  const runs = words.slice(2).map((word, i) => ` ${words[i]} ${words[i + 1]} ${word} `);
  return runs.length > 0 && runs.filter((run) => page.words.includes(run)).length / runs.length >= 0.85;
}
