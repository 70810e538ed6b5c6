/** Parses a page once: its document for structured data, and its visible passages. */
import type { CheerioAPI } from 'cheerio';
import type { RenderedPage } from '../page.ts';
import { findMoney, type Money } from '../text/money.ts';
import { collapse, folded, setsAgree, wordsOf } from '../text/names.ts';
import { canonicalUrl, languageOf, metaOf, parseHtml } from './dom.ts';
import { type Passage, readPassages } from './passages.ts';

/** A passage with its forms for comparison and its amounts of money. */
export type MoneyPassage = Passage & {
  folded: string;
  words: string[];
  wordSet: ReadonlySet<string>;
  /** The words joined without separators. */
  letters: string;
  money: Money[];
};

export type PageView = {
  $: CheerioAPI;
  /** The final URL after redirects. */
  url: string;
  canonicalUrl: string;
  language: string;
  title: string;
  /** What the page is about: its main headings, `og:title`, `<title>`. */
  topics: { headings: string[]; ogTitle: string | null; title: string };
  /** All visible passages. */
  passages: MoneyPassage[];
  /** Cache of {@link placeOf}: lists look up each name many times. */
  places: Map<string, number>;
};

/** The maximum length of a price tag; amounts in running text are weak evidence. */
const priceLineCharacters = 90;

/** Limits for title, language and headings, which are untrusted and go into prompts; above any legitimate length. */
const maxTitleCharacters = 300;
const maxLanguageCharacters = 35;
const maxHeadings = 20;
/** Limit for looked-up names; a page with more is not about products. */
const maxNames = 1_000;

export function viewPage(page: RenderedPage): PageView {
  const $ = parseHtml(page.html);
  const language = languageOf($).slice(0, maxLanguageCharacters);
  const passages = readPassages($).map((passage) => withForms(passage, language));
  // If prices occur only in areas named by classes, these areas are the page's main content.
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

/** Whether an amount is a current price: not a former price, shipping, or a price per unit. */
export const isPrice = (money: Money): boolean => money.certain && money.kind === 'price';

/** Whether a passage is short enough to be a price tag; Chinese and Japanese characters count twice. */
export function isPriceLine({ text }: Passage): boolean {
  if (text.length > priceLineCharacters) return false;
  const wide = text.match(/[\u3040-\u30ff\u4e00-\u9fff]/g)?.length ?? 0;
  return text.length + wide <= priceLineCharacters;
}

/** The index of the best passage for `name`: a heading, else a line, else a longer passage; -1 for none. */
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
