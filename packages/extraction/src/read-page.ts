/**
 * Entry points for reading a page: pure functions that run in a worker thread with limits on time and memory, because
 * the page's author determines how long they take. Inputs and outputs can be cloned between threads.
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

/** A page's head data. */
export type PageHead = Pick<PageView, 'canonicalUrl' | 'language' | 'title'>;

type Reading = {
  /** The page's canonical URL. */
  url: string;
  /** Products from structured data. */
  products: ExtractedProduct[];
  /** Parts to ask the model about, in order, until one has products; empty where structured data suffice. */
  parts: { text: string; outputTokens: { min: number; max: number } }[];
  head: PageHead;
};

/** Reads a page's structured data, and its text where structured data do not suffice. */
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
    products: toProducts(structured, [], view),
    parts,
    head: { canonicalUrl, language, title },
  };
}

/** Products from structured data and the supported part of an answer; undefined where no part is supported. */
export function concludeProducts(input: { page: RenderedPage; answer: ModelAnswer }): ExtractedProduct[] | undefined {
  const view = viewPage(input.page);
  const answered = checkAnswer(input.answer, view);
  return answered.length === 0 ? undefined : toProducts(readStructured(view), answered, view);
}

function toProducts(structured: Structured, answered: FoundProduct[], view: PageView): ExtractedProduct[] {
  const drafts = combine(structured, answered);
  return finish(drafts, structured.isList || drafts.length > 1, view);
}

/** The title and visible text of a page's main part, cut to `maxCharacters` (UTF-16 units). */
export function readPageText({ page, maxCharacters }: { page: RenderedPage; maxCharacters: number }): string {
  const { passages, title } = viewPage(page);
  const lines = passages.filter(({ beside }) => !beside).map((passage) => passage.text);
  return [title, ...lines].join('\n').slice(0, maxCharacters);
}

/** By name, as the worker asks a child process for them. */
export const pageReading = { readProducts, concludeProducts, readPageText };
