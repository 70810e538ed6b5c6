/** Answers schemas with `products`: the products that the text between `<page>` and `</page>` offers. */
import { type Answerer, spoken } from './answerer.ts';
import { readProducts } from './read-products.ts';
import { readSection, wantsProperty } from './section.ts';

export const answerProducts: Answerer = {
  matches: (request) => wantsProperty(request, 'products') && readSection(request.messages, 'page') !== undefined,

  answer({ messages }) {
    const products = readProducts(readSection(messages, 'page') ?? '');
    // The first description is the longest text there is, so it is what an answer of a given size is fitted by.
    const [first, ...others] = products;
    const values = { products: first ? [{ ...first, description: spoken }, ...others] : [] };
    return { text: first?.description ?? '', known: products.length > 0, values };
  },
};
