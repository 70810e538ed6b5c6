/** What a page is and which products it shows: pure functions over HTML, without a model, a task or a network. */
export * from './describe-product.ts';
export { ModelAnswer, ModelProduct } from './model/answer.ts';
export * from './page.ts';
export * from './page-address.ts';
export * from './product.ts';
export type { PageHead } from './read-page.ts';
export * as pageReading from './read-page.ts';
