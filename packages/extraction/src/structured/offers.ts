/** Reads a product's pricing from its offers: selects among several offers and among an offer's prices. */
import type { Availability } from '../product.ts';
import { availabilityOf } from '../text/availability.ts';
import { currencyCode } from '../text/currency.ts';
import type { Money } from '../text/money.ts';
import { compareAmounts, type Decimal, isZero } from '../text/price.ts';
import { type DataNode, hasType, listOf, resolve, resolveAll } from './linked-data.ts';
import { amountOf, type Reading, textOf } from './values.ts';

export type Pricing = {
  price: Decimal | null;
  priceMax: Decimal | null;
  prices: Decimal[];
  currency: string | null;
  availability: Availability;
};

/** Above any legitimate number of offers; also ends cyclic offers. */
const maxOffers = 200;

type Offer = {
  low: Decimal | null;
  high: Decimal | null;
  currency: string | null;
  availability: Availability;
  node: DataNode;
};

/** The pricing of the applicable offer, or of all offers where they are variants. `shown` are the page's prices. */
export function readOffers(value: unknown, reading: Reading, shown: Money[]): Pricing {
  const budget = { left: maxOffers };
  const offers = resolveAll(value, reading.index).flatMap((node) => readOffer(node, reading, budget));
  const asNew = offers.filter(
    ({ node }) => !/used|refurbished|damaged/i.test(textOf(node.itemCondition, reading) ?? ''),
  );
  const eligible = asNew.length > 0 ? asNew : offers;
  const priced = eligible.filter((offer) => offer.low !== null);
  return pricingOf(
    areVariants(priced, reading) ? priced : applicableOffer(priced.length > 0 ? priced : eligible, shown),
  );
}

/** Of several offers of one product, the one whose price the page shows first, else the first. */
function applicableOffer(offers: Offer[], shown: Money[]): Offer[] {
  for (const { amount, mark } of shown) {
    const match = offers.find(
      (offer) => offer.low === amount && (!mark || !offer.currency || mark.codes.includes(offer.currency)),
    );
    if (match) return [match];
  }
  return offers.slice(0, 1);
}

/** Whether offers are variants (sizes, colours) with distinct numbers or names, not offers of several sellers. */
function areVariants(offers: Offer[], reading: Reading): boolean {
  const [first] = offers;
  const keys = offers.map(({ node }) => textOf(node.sku, reading) ?? textOf(node.name, reading));
  const sellers = new Set(offers.map(({ node }) => textOf(node.seller ?? node.offeredBy, reading)));
  return (
    offers.length > 1 &&
    sellers.size <= 1 &&
    new Set(keys).size === offers.length &&
    offers.every((offer) => offer.currency === first?.currency)
  );
}

/** Combines several pricings: the lowest and the highest price; in stock if any is. */
export function pricingOf(
  offers: { low: Decimal | null; high: Decimal | null; currency: string | null; availability: Availability }[],
): Pricing {
  const prices = offers
    .flatMap(({ low, high }) => [low, high].filter((amount) => amount !== null))
    .sort(compareAmounts);
  const [lowest = null, highest = null] = [prices[0], prices.at(-1)];
  return {
    price: lowest,
    priceMax: highest !== lowest ? highest : null,
    prices: [...new Set(prices)],
    currency: offers.find(({ currency }) => currency !== null)?.currency ?? null,
    availability: combinedAvailability(offers.map(({ availability }) => availability)),
  };
}

function combinedAvailability(all: Availability[]): Availability {
  if (all.includes('in_stock')) return 'in_stock';
  return all.length > 0 && all.every((one) => one === 'out_of_stock') ? 'out_of_stock' : 'unknown';
}

/** An offer, or the nested offers that it consists of, within `budget`; `depth` ends cycles. */
function readOffer(node: DataNode, reading: Reading, budget: { left: number }, depth = 0): Offer[] {
  if (budget.left-- <= 0) return [];
  const inner = depth > 2 ? [] : resolveAll(node.offers, reading.index);
  const availability = availabilityOf(
    textOf(node.availability, reading) ?? (typeof node.availability === 'string' ? node.availability : null),
  );
  const specification = node.price === undefined ? specificationOf(node, reading) : undefined;
  const currencyText = textOf(node.priceCurrency ?? specification?.priceCurrency, reading);
  const currency = currencyCode(currencyText, reading.language) ?? currencyIn(node.price, reading);
  const low = [node.lowPrice, node.price, specification?.price, specification?.minPrice]
    .map((value) => amount(value, currency, reading))
    .find((value) => value !== null);
  const high = amount(node.highPrice ?? specification?.maxPrice, currency, reading);
  if (low === undefined && inner.length > 0) {
    return inner.flatMap((offer) =>
      readOffer(
        { priceCurrency: node.priceCurrency, availability: node.availability, ...offer },
        reading,
        budget,
        depth + 1,
      ),
    );
  }
  const nested = inner.flatMap((offer) => readOffer(offer, reading, budget, depth + 1));
  return [
    {
      low: low ?? null,
      high,
      currency: currency ?? nested.find((offer) => offer.currency !== null)?.currency ?? null,
      availability:
        availability === 'unknown' && node.availability === undefined
          ? combinedAvailability(nested.map((offer) => offer.availability))
          : availability,
      node,
    },
  ];
}

/** Treats zero as no price, because shop systems write 0 where they have none. */
function amount(value: unknown, currency: string | null, reading: Reading): Decimal | null {
  const read = amountOf(value, currency, reading.language);
  return read === null || isZero(read) ? null : read;
}

/** A currency inside the price text: `"€ 49,90"`. */
function currencyIn(value: unknown, reading: Reading): string | null {
  const [first] = listOf(value);
  return typeof first === 'string'
    ? currencyCode(first.replace(/[\d.,'’\s\u00a0-]+/g, ' ').trim(), reading.language)
    : null;
}

/** The specification of the price to pay: not a former, unit, instalment or shipping price. */
function specificationOf(offer: DataNode, { index }: Reading): DataNode | undefined {
  const all = resolveAll(offer.priceSpecification, index).flatMap((node) => [
    node,
    ...resolveAll(node.priceComponent, index),
  ]);
  const candidates = all.filter((node) => {
    if (hasType(node, /DeliveryCharge|PaymentCharge/)) return false;
    if (node.price === undefined && node.minPrice === undefined) return false;
    if (/List|Strikethrough|SRP|MSRP|MinimumAdvertised|Regular/i.test(String(node.priceType ?? ''))) return false;
    if (
      node.billingDuration !== undefined ||
      node.billingIncrement !== undefined ||
      node.numberOfPayments !== undefined
    )
      return false;
    if (node.validForMemberTier !== undefined) return false;
    return node.referenceQuantity === undefined || isOnePiece(resolve(node.referenceQuantity, index));
  });
  return candidates.find((node) => /Sale/i.test(String(node.priceType ?? ''))) ?? candidates[0];
}

/** UN/CEFACT codes for one piece: a unit price per piece is the price. */
const isOnePiece = (quantity: DataNode | undefined): boolean =>
  quantity === undefined ||
  (['C62', 'EA', 'H87', 'PCE', 'NMP'].includes(String(quantity.unitCode)) && String(quantity.value ?? 1) === '1');
