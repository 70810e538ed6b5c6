/**
 * What takes a page apart: pure functions that a worker runs beside its event loop, bounded in time and memory, because
 * whoever wrote the page decides how long they take. What goes in and comes out can be cloned from thread to thread.
 */

import { combine, finish } from './combine.ts';
import type { ModelAnswer } from './model/answer.ts';
import { checkAnswer } from './model/evidence.ts';
import { answerTokens, relevantParts } from './model/relevant-text.ts';
import { type PageView, viewPage } from './page/page-view.ts';
import type { RenderedPage } from './page.ts';
import type { ExtractedProduct } from './product.ts';
import type { FoundProduct } from './structured/found-product.ts';
import { isComplete, readStructured, type Structured } from './structured/structured.ts';

/** What a page says of itself. */
export type PageHead = Pick<PageView, 'canonicalUrl' | 'language' | 'title'>;

type Reading = {
  /** The page's canonical address. */
  url: string;
  /** What its structured data give. */
  products: ExtractedProduct[];
  /** What to ask the model about, part by part until one holds products; none where structured data suffice. */
  parts: { text: string; outputTokens: { min: number; max: number } }[];
  /** The page that the parts are of. */
  head: PageHead;
};

/** Reads a page's structured data, and its text where these don't suffice. */
export function readProducts(page: RenderedPage): Reading {
  const view = viewPage(page);
  const structured = readStructured(view);
  const suffices = structured.drafts.length > 0 && structured.drafts.every(isComplete);
  const parts = (suffices ? [] : relevantParts(view)).map((part) => ({
    text: part.text,
    outputTokens: answerTokens(part),
  }));
  const { canonicalUrl, language, title } = view;
  return {
    url: canonicalUrl,
    products: together(structured, [], view),
    parts,
    head: { canonicalUrl, language, title },
  };
}

/** The page's products from its structured data and what of an answer it bears out; undefined where that is nothing. */
export function concludeProducts(input: { page: RenderedPage; answer: ModelAnswer }): ExtractedProduct[] | undefined {
  const view = viewPage(input.page);
  const answered = checkAnswer(input.answer, view);
  return answered.length === 0 ? undefined : together(readStructured(view), answered, view);
}

function together(structured: Structured, answered: FoundProduct[], view: PageView): ExtractedProduct[] {
  const drafts = combine(structured, answered);
  return finish(drafts, structured.isList || drafts.length > 1, view);
}

/** The visible text of a page's main part under its title, at most so many characters (UTF-16 units) of it. */
export function readPageText({ page, maxCharacters }: { page: RenderedPage; maxCharacters: number }): string {
  const { passages, title } = viewPage(page);
  const lines = passages.filter(({ beside }) => !beside).map((passage) => passage.text);
  return [title, ...lines].join('\n').slice(0, maxCharacters);
}
