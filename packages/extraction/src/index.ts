/** Extracts products from rendered pages: pure functions over HTML, without model, task or network access. */
export * from './describe-product.ts';
export { ModelAnswer, ModelProduct } from './model/answer.ts';
export * from './page.ts';
export * from './page-address.ts';
export * from './product.ts';
// Its parser is loaded only where pages are read: import it from @tally/extraction/read-page.
export type { PageHead, pageReading } from './read-page.ts';
