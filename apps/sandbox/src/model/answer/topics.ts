/** What people ask about things that are sold: how they ask, which sentences tell, and the question a sentence answers. */
import { amountsIn } from './money.ts';

export const outOfStock =
  /out of stock|sold out|ausverkauft|nicht (?:auf lager|lieferbar)|ناموجود|tükendi|売り切れ|在庫切れ/iu;
export const inStock = /in stock|auf lager|lieferbar|موجود|stokta|在庫あり/iu;
const guarantee = /guarantee|warranty|garanti|ضمانت|保証/iu;

export const topics: { asks: RegExp; tells: (sentence: string) => boolean; question: (name: string) => string }[] = [
  {
    asks: /price|cost|how much|preis|wie ?viel|kostet|fiyat|ne kadar|قیمت|چند|سعر|いくら|価格/iu,
    tells: (sentence) => amountsIn(sentence).length > 0,
    question: (name) => `How much is ${name}?`,
  },
  {
    asks: /stock|availab|auf lager|verfügbar|stok|موجود|在庫/iu,
    tells: (sentence) => inStock.test(sentence) || outOfStock.test(sentence),
    question: (name) => `Is ${name} in stock?`,
  },
  {
    asks: guarantee,
    tells: (sentence) => guarantee.test(sentence),
    question: (name) => `What guarantee does ${name} have?`,
  },
];
