/** Chooses which of a source's products the page is about: one, several (a list), or none. */
import { absoluteUrl } from '../page/dom.ts';
import { type PageView, placeOf } from '../page/page-view.ts';
import { containsWords, namesAgree, sameName, wordsOf } from '../text/names.ts';
import type { FoundProduct } from './found-product.ts';

export type Choice = { products: FoundProduct[]; isList: boolean };

/** The page's own product among `found`; else all products shown in its main part. */
export function choose(found: FoundProduct[], view: PageView): Choice {
  const products = withoutRepeats(found);
  const [own] = products
    .filter((product) => isOwn(product, view))
    .map((product) => ({ product, confidence: confidence(product, view) }))
    .sort((a, b) => b.confidence - a.confidence);
  if (own) return { products: [own.product], isList: false };
  const shown = products.filter((product) => isVisible(product, view));
  const alike = products.filter((product) => !product.isListed && agreesWithTopic(product.name, view));
  const [only] = alike;
  if (only && alike.length === 1 && shown.filter((product) => product !== only).length < 2)
    return { products: [only], isList: false };
  return { products: shown, isList: true };
}

/** Whether the source or the page states explicitly that this is the page's product. */
function isOwn(product: FoundProduct, view: PageView): boolean {
  return product.isMain ? !isElsewhere(product, view) : confidence(product, view) > 0;
}

/** Confidence that the page is about this product; 0 without any evidence. */
function confidence(product: FoundProduct, view: PageView): number {
  const { headings, ogTitle, title } = view.topics;
  const named =
    headings.some((heading) => sameName(heading, product.name)) ||
    (ogTitle !== null && sameName(ogTitle, product.name));
  const titled = sameName(title.split(/\s[|–—·-]\s/)[0] ?? '', product.name);
  return (named ? 8 : 0) + (isHere(product, view) ? 4 : 0) + (titled ? 2 : 0) + (product.isMain ? 1 : 0);
}

const isHere = ({ url, isListed }: FoundProduct, view: PageView): boolean =>
  url !== null &&
  !isListed &&
  [view.canonicalUrl, absoluteUrl(view.url, view.url)].some((own) => own !== null && sameAddress(own, url)) &&
  new URL(url).pathname !== '/';

const sameAddress = (a: string, b: string): boolean => a.replace(/\/$/, '') === b.replace(/\/$/, '');

/** Whether neither the page's titles nor its text contain the product's name. */
const isElsewhere = (product: FoundProduct, view: PageView): boolean =>
  !agreesWithTopic(product.name, view) && !isVisible(product, view) && !isHere(product, view);

export function agreesWithTopic(name: string, { topics }: PageView): boolean {
  const all = [...topics.headings, ...(topics.ogTitle ? [topics.ogTitle] : []), topics.title].filter(
    (topic) => topic !== '',
  );
  return all.some((topic) => namesAgree(topic, name));
}

function isVisible({ name }: FoundProduct, view: PageView): boolean {
  if (placeOf(name, view) !== -1) return true;
  const words = wordsOf(name);
  return view.passages.some((passage) => !passage.beside && containsWords(passage.words, words));
}

const lettersOf = (name: string): string => wordsOf(name).join('');

/** Merges repeated descriptions of a product, preferring one with a price. */
function withoutRepeats(products: FoundProduct[]): FoundProduct[] {
  const kept: { letters: string; product: FoundProduct }[] = [];
  for (const product of products) {
    const letters = lettersOf(product.name);
    const same = kept.find(
      ({ letters: others, product: { sku } }) =>
        letters !== '' && others === letters && (sku === null || product.sku === null || sku === product.sku),
    );
    if (same === undefined) kept.push({ letters, product });
    else
      same.product = {
        ...(same.product.price === null && product.price !== null ? product : same.product),
        isMain: same.product.isMain || product.isMain,
      };
  }
  return kept.map(({ product }) => product);
}
