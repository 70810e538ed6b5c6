/** One page, read once: the document for structured data, and what a visitor sees of it. */
import type { CheerioAPI } from 'cheerio';
import type { RenderedPage } from '../page.ts';
import { findMoney, type Money } from '../text/money.ts';
import { collapse, folded, setsAgree, wordsOf } from '../text/names.ts';
import { canonicalUrl, languageOf, metaOf, parseHtml } from './dom.ts';
import { type Passage, readPassages } from './passages.ts';

/** A passage in the forms in which it is compared, and the amounts in it. */
export type MoneyPassage = Passage & {
  folded: string;
  words: string[];
  wordSet: ReadonlySet<string>;
  /** The words without anything between them. */
  letters: string;
  money: Money[];
};

export type PageView = {
  $: CheerioAPI;
  /** Where the browser ended up. */
  url: string;
  canonicalUrl: string;
  language: string;
  title: string;
  /** What the page says it is about: its main headings, `og:title`, `<title>`. */
  topics: { headings: string[]; ogTitle: string | null; title: string };
  /** All that is visible. */
  passages: MoneyPassage[];
  /** Where names stand, as far as anybody looked: lists ask for each of theirs many times. */
  places: Map<string, number>;
};

/** A line that is a price, or hardly more; amounts in running text are weak evidence. */
const priceLineCharacters = 90;

/** What a page says of itself is the page's to write, and goes into prompts: longer than any honest title and language. */
const maxTitleCharacters = 300;
const maxLanguageCharacters = 35;
const maxHeadings = 20;
/** Names that are looked for; a page that names more is no page about products. */
const maxNames = 1_000;

export function viewPage(page: RenderedPage): PageView {
  const $ = parseHtml(page.html);
  const language = languageOf($).slice(0, maxLanguageCharacters);
  const passages = readPassages($).map((passage) => withForms(passage, language));
  // Where nothing is for sale outside the areas that classes name, these were the page's own content all along.
  const besideIsMain = passages.some(hasPrice) && !passages.some((passage) => !passage.beside && hasPrice(passage));
  const title = titleOf($('head title').first().text() || $('title').first().text());
  return {
    $,
    url: page.url,
    canonicalUrl: canonicalUrl($, page.url),
    language,
    title,
    topics: {
      headings: passages
        .filter(({ heading, beside }) => heading === 1 && !beside)
        .slice(0, maxHeadings)
        .map(({ text }) => text.slice(0, maxTitleCharacters)),
      ogTitle: metaOf($, 'og:title')?.slice(0, maxTitleCharacters) ?? null,
      title,
    },
    places: new Map(),
    passages: besideIsMain ? passages.map(withoutArea) : passages,
  };
}

const titleOf = (text: string): string => collapse(text.slice(0, 4 * maxTitleCharacters)).slice(0, maxTitleCharacters);

function withForms(passage: Passage, language: string): MoneyPassage {
  const words = wordsOf(passage.text);
  return {
    ...passage,
    folded: folded(passage.text),
    words,
    wordSet: new Set(words),
    letters: words.join(''),
    money: findMoney(passage.text, language),
  };
}

const hasPrice = (passage: MoneyPassage): boolean => isPriceLine(passage) && passage.money.some(isPrice);

const withoutArea = (passage: MoneyPassage): MoneyPassage =>
  passage.beside === 'area' ? { ...passage, beside: undefined } : passage;

/** A current price in so many words: not a former one, not shipping, not by the kilo. */
export const isPrice = (money: Money): boolean => money.certain && money.kind === 'price';

/** Whether a passage is short enough to be a price tag; Chinese and Japanese say as much in half the letters. */
export function isPriceLine({ text }: Passage): boolean {
  if (text.length > priceLineCharacters) return false;
  const wide = text.match(/[\u3040-\u30ff\u4e00-\u9fff]/g)?.length ?? 0;
  return text.length + wide <= priceLineCharacters;
}

/** Where `name` stands on the page, best place first: as a heading, then as a line, then inside one. -1 where it doesn't. */
export function placeOf(name: string, { passages, places }: PageView): number {
  const known = places.get(name);
  if (known !== undefined) return known;
  if (places.size >= maxNames) return -1;
  const words = wordsOf(name);
  const [wordSet, letters] = [new Set(words), words.join('')];
  const isSame = (passage: MoneyPassage): boolean => letters !== '' && passage.letters === letters;
  const find = (fits: (passage: MoneyPassage) => boolean): number =>
    passages.findIndex((passage) => !passage.beside && fits(passage));
  const best = [
    (passage: MoneyPassage) => passage.heading > 0 && isSame(passage),
    isSame,
    (passage: MoneyPassage) => passage.heading > 0 && setsAgree(passage.wordSet, wordSet),
    (passage: MoneyPassage) => passage.text.length < name.length * 3 && setsAgree(passage.wordSet, wordSet),
  ].reduce((at, fits) => (at === -1 ? find(fits) : at), -1);
  places.set(name, best);
  return best;
}
