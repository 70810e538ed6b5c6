/** Finds the prices that a page shows near a product's name, and compares structured data with them. */
import { saidAvailability } from '../text/availability.ts';
import type { Money } from '../text/money.ts';
import { compareAmounts, type Decimal, shift } from '../text/price.ts';
import { isPrice, isPriceLine, type PageView, placeOf } from './page-view.ts';

/** A product's prices follow its name closely; text further down is about something else. */
const maxPassages = 40;
const maxCharacters = 2_500;

/** The passages of the product `name`: from its name to the next heading that could be another product's. */
export function passagesOf(name: string, view: PageView, others: readonly string[] = []): PageView['passages'] {
  const start = placeOf(name, view);
  const first = view.passages[start];
  if (first === undefined) return [];
  const ends = new Set(others.map((other) => placeOf(other, view)).filter((place) => place > start));
  const found = [first];
  let characters = 0;
  for (let i = start + 1; i < view.passages.length && found.length < maxPassages && characters < maxCharacters; i++) {
    const passage = view.passages[i];
    if (passage === undefined || ends.has(i)) break;
    if (passage.beside) continue;
    const priced = found.some((earlier) => earlier.money.some(isPrice));
    if (passage.heading > 0 && (passage.heading <= first.heading || (priced && passage.heading <= 4))) break;
    found.push(passage);
    characters += passage.text.length;
  }
  return found;
}

/** The current prices on price tags of the product `name`, in page order. */
export const shownPrices = (name: string, view: PageView, others: readonly string[] = []): Money[] =>
  passagesOf(name, view, others).flatMap((passage) => (isPriceLine(passage) ? passage.money.filter(isPrice) : []));

/**
 * Whether a line near the product's name says that it is sold out, and none that it is in stock. Options don't count,
 * because one sold-out size is not the product.
 */
export function showsSoldOut(name: string, view: PageView, others: readonly string[]): boolean {
  const near = passagesOf(name, view, others);
  if (near.some(({ text }) => saidAvailability(text).inStock)) return false;
  return near.some(
    ({ text, element }) =>
      text.length <= 40 && !['option', 'label', 'li'].includes(element.name) && saidAvailability(text).outOfStock,
  );
}

/** A product's price according to structured data. */
export type ClaimedPrice = { price: Decimal; priceMax: Decimal | null; currency: string | null; all: Decimal[] };

/** `silent`: the page shows no price to compare with. */
export type Verdict = 'agrees' | 'silent' | 'stale';

/** Compares the structured price with the shown ones. */
export function compareWithShown(claim: ClaimedPrice, shown: Money[]): Verdict {
  if (shown.length === 0) return 'silent';
  return shown.some((money) => isSamePrice(claim, money)) ? 'agrees' : 'stale';
}

function isSamePrice(claim: ClaimedPrice, { amount, mark }: Money): boolean {
  // A toman is ten rials and has no ISO code, so structured data contain rials.
  if (mark !== null && mark.codes.length === 0)
    return inRange(claim, shift(amount, 1)) && (claim.currency ?? 'IRR') === 'IRR';
  if (mark?.codes.includes('IRR') && claim.currency === null && inRange(claim, amount)) return true;
  const currencyFits = mark === null || claim.currency === null || mark.codes.includes(claim.currency);
  return currencyFits && inRange(claim, amount);
}

function inRange({ price, priceMax, all }: ClaimedPrice, amount: Decimal): boolean {
  if (amount === price || all.includes(amount)) return true;
  return priceMax !== null && compareAmounts(amount, price) >= 0 && compareAmounts(amount, priceMax) <= 0;
}
