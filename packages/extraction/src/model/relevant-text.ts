/** Selects the parts of a page's visible text that the model reads, the most relevant first. */
import { isPrice, isPriceLine, type MoneyPassage, type PageView } from '../page/page-view.ts';
import { saidAvailability } from '../text/availability.ts';
import { namesAgree, wordsOf } from '../text/names.ts';

export type Part = { text: string /** Number of price tags. */; prices: number };

/** About 1,500 tokens of English. */
const maxPartCharacters = 6_000;
const maxParts = 3;
/** Text kept before a product's name, which is breadcrumbs or images; the product's data follow the name. */
const leadCharacters = 600;
const maxPassageCharacters = 1_500;

/** At most three parts of a page; none where nothing on the page indicates a product for sale. */
export function relevantParts(view: PageView): Part[] {
  const passages = passagesToShow(view);
  if (!passages.some(indicatesSale)) return [];
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

/** The main part's passages if it has a price, else all but those of other products. */
function passagesToShow({ passages }: PageView): MoneyPassage[] {
  const main = passages.filter(({ beside }) => beside === undefined);
  return main.some((passage) => isPriceLine(passage) && passage.money.some(isPrice))
    ? main
    : passages.filter(({ beside }) => beside !== 'others');
}

/** Whether a passage has an amount of money, a possible one, or a short text about stock. */
function indicatesSale({ text, money, beside }: MoneyPassage): boolean {
  const isShort = text.length < 80;
  if (money.some(({ certain, end }) => certain || (isShort && /\d[.,]\d{2}$/.test(text.slice(0, end))))) return true;
  if (!isShort || beside !== undefined) return false;
  const said = saidAvailability(text);
  return said.inStock || said.outOfStock;
}

/** Scores how likely a passage belongs to a product for sale. */
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

/** The index from which the following passages have the highest weighted sum of scores; -1 for none. */
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

/** The passages from shortly before `start` until the part is full or reaches another part. */
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

/** Output token limits for a part: they grow with its number of prices. */
export function answerTokens({ prices, text }: Part): { min: number; max: number } {
  // A product takes about 110 tokens, more in non-Latin scripts.
  const each = wordsOf(text).some((word) => /[^\p{Script=Latin}\p{N}]/u.test(word)) ? 160 : 120;
  return { min: 150, max: Math.min(2_000, 400 + each * prices) };
}
