/** Cuts a page's visible text into parts that a model can read, the most promising first. */
import { isPrice, isPriceLine, type MoneyPassage, type PageView } from '../page/page-view.ts';
import { saidAvailability } from '../text/availability.ts';
import { namesAgree, wordsOf } from '../text/names.ts';

export type Part = { text: string /** How many price tags it holds. */; prices: number };

/** About 1,500 tokens of English. */
const maxPartCharacters = 6_000;
const maxParts = 3;
/** What stands before a product's name is its breadcrumb or picture, what follows is the product. */
const leadCharacters = 600;
const maxPassageCharacters = 1_500;

/** At most three parts of a page. A page on which nothing hints at something for sale has none. */
export function relevantParts(view: PageView): Part[] {
  const passages = passagesToShow(view);
  if (!passages.some(isPromising)) return [];
  const scores = passages.map((passage, i) => scoreOf(passage, passages[i - 1], view));
  const taken = passages.map(() => false);
  const parts: Part[] = [];
  while (parts.length < maxParts) {
    const best = bestWindow(scores, taken);
    if (best === -1) break;
    const part = windowAround(best, passages, taken);
    parts.push({
      text: part.map(toLine).join('\n'),
      prices: part.filter((passage) => passage.money.some(isPrice)).length,
    });
  }
  return parts;
}

/** All passages, but none of those beside the main part where that has a price of its own. */
function passagesToShow({ passages }: PageView): MoneyPassage[] {
  const main = passages.filter(({ beside }) => beside === undefined);
  return main.some((passage) => isPriceLine(passage) && passage.money.some(isPrice))
    ? main
    : passages.filter(({ beside }) => beside !== 'others');
}

/** Money, or an amount that may be some; or a short line about stock. */
function isPromising({ text, money, beside }: MoneyPassage): boolean {
  const isShort = text.length < 80;
  if (money.some(({ certain, end }) => certain || (isShort && /\d[.,]\d{2}$/.test(text.slice(0, end))))) return true;
  if (!isShort || beside !== undefined) return false;
  const said = saidAvailability(text);
  return said.inStock || said.outOfStock;
}

/** How much a passage looks like a part of what is for sale here. */
function scoreOf(passage: MoneyPassage, before: MoneyPassage | undefined, view: PageView): number {
  const { text, heading, money, beside } = passage;
  let score = 0;
  if (isPriceLine(passage) && money.some(isPrice)) score += before && before.heading > 0 ? 8 : 4;
  if (heading === 1) score += 8;
  if (
    heading > 0 &&
    [view.title, view.topics.ogTitle ?? ''].some(
      (topic) => topic !== '' && namesAgree(topic, text.slice(0, maxPassageCharacters)),
    )
  )
    score += 8;
  if (text.length < 120 && (saidAvailability(text).inStock || saidAvailability(text).outOfStock)) score += 3;
  if (
    text.length < 120 &&
    /(?:^|\P{L})(?:sku|art(?:icle|ikel|\.)|item|ref|réf|cód|model|varenr|ürün kodu)/iu.test(text)
  )
    score += 2;
  return beside === undefined ? score : score / 4;
}

/** Where the best stretch begins: the passage from which the following ones together promise most. */
function bestWindow(scores: number[], taken: boolean[]): number {
  let [best, bestSum] = [-1, 0];
  for (let i = 0; i < scores.length; i++) {
    if (taken[i]) continue;
    let sum = 0;
    for (let j = i; j < Math.min(i + 40, scores.length) && !taken[j]; j++) sum += (scores[j] ?? 0) / (1 + (j - i) / 10);
    if (sum > bestSum) [best, bestSum] = [i, sum];
  }
  return best;
}

/** The passages from a little before `start` until the part is full or another part begins. */
function windowAround(start: number, passages: MoneyPassage[], taken: boolean[]): MoneyPassage[] {
  let first = start;
  for (let lead = 0; first > 0 && !taken[first - 1]; first--) {
    lead += sizeOf(passages[first - 1]);
    if (lead > leadCharacters) break;
  }
  const window: MoneyPassage[] = [];
  for (let i = first, size = 0; i < passages.length && !taken[i]; i++) {
    const passage = passages[i];
    size += sizeOf(passage);
    if (passage === undefined || (size > maxPartCharacters && i > start)) break;
    taken[i] = true;
    window.push(passage);
  }
  return window;
}

const sizeOf = (passage: MoneyPassage | undefined): number =>
  Math.min(passage?.text.length ?? 0, maxPassageCharacters) + 4;

const toLine = ({ text, heading, button }: MoneyPassage): string => {
  const cut = text.slice(0, maxPassageCharacters);
  if (heading > 0) return `\n${'#'.repeat(heading)} ${cut}`;
  return button ? `[${cut}]` : cut;
};

/** The longest and shortest useful answer about a part: a list says more than a page about one product. */
export function answerTokens({ prices, text }: Part): { min: number; max: number } {
  // A product takes some 110 tokens, more where the script is not Latin.
  const each = wordsOf(text).some((word) => /[^\p{Script=Latin}\p{N}]/u.test(word)) ? 160 : 120;
  return { min: 150, max: Math.min(2_000, 400 + each * prices) };
}
