/**
 * What takes a page apart: pure functions that a worker runs beside its event loop, bounded in time and memory, because
 * whoever wrote the page decides how long they take. What goes in and comes out can be cloned from thread to thread.
 */
import type { LlmRequest } from './context.ts';
import { maxSourceCharacters } from './limits.ts';
import type { RenderedPage } from './page.ts';
import type { ExtractedProduct } from './product.ts';
import { combine, finish } from './product-extraction/combine.ts';
import type { ModelAnswer } from './product-extraction/model/answer.ts';
import { checkAnswer } from './product-extraction/model/evidence.ts';
import { toMessages } from './product-extraction/model/prompt.ts';
import { answerTokens, relevantParts } from './product-extraction/model/relevant-text.ts';
import { type PageView, viewPage } from './product-extraction/page/page-view.ts';
import type { FoundProduct } from './product-extraction/structured/found-product.ts';
import { isComplete, readStructured, type Structured } from './product-extraction/structured/structured.ts';

type Reading = {
  /** The page's canonical address. */
  url: string;
  /** What its structured data give. */
  products: ExtractedProduct[];
  /** What to ask the model, part by part until one holds products; nothing where structured data suffice. */
  requests: LlmRequest[];
};

/** Reads a page's structured data, and its text where these don't suffice. */
export function readProducts(page: RenderedPage): Reading {
  const view = viewPage(page);
  const structured = readStructured(view);
  const suffices = structured.drafts.length > 0 && structured.drafts.every(isComplete);
  const requests = (suffices ? [] : relevantParts(view)).map((part) => ({
    messages: toMessages(view, part.text),
    outputTokens: answerTokens(part),
  }));
  return { url: view.canonicalUrl, products: together(structured, [], view), requests };
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

/** The visible text of a page's main part under its title, as far as a source may be long. */
export function readPageText(page: RenderedPage): string {
  const { passages, title } = viewPage(page);
  const lines = passages.filter(({ beside }) => !beside).map((passage) => passage.text);
  return [title, ...lines].join('\n').slice(0, maxSourceCharacters);
}
