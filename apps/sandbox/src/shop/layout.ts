/** The frame of every page of the shop: head, menu, what shops put below a product, footer. All text is our own. */
import { type ShopLanguage, shopWords } from './shop-words.ts';

export type ShopPage = {
  title: string;
  /** Tags for the head, structured data among them. */
  head?: string;
  body: string;
  language?: ShopLanguage;
};

const style = `
  :root { --ink: #2b2a27; --soft: #716c61; --line: #e6e0d4; --oak: #9a6b3c; --paper: #fbf8f2; }
  body { margin: 0; font: 16px/1.6 Georgia, 'Times New Roman', serif; color: var(--ink); background: var(--paper); }
  header, main, footer { max-width: 64rem; margin: 0 auto; padding: 1rem 1.5rem; }
  header { display: flex; gap: 1.5rem; align-items: baseline; border-bottom: 1px solid var(--line); flex-wrap: wrap; }
  header .name { font-size: 1.3rem; letter-spacing: .04em; margin-inline-end: auto; }
  a { color: var(--oak); text-decoration: none; } a:hover { text-decoration: underline; }
  .product { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 2.5rem; margin: 2rem 0; }
  .product figure { margin: 0; } .product img, .card img { width: 100%; height: auto; border-radius: .75rem; background: #efe7d8; }
  h1 { font-weight: normal; font-size: 2rem; line-height: 1.2; margin: .2rem 0; }
  .price { font-size: 1.5rem; margin: .5rem 0; } .was { color: var(--soft); font-size: 1rem; }
  .stock { color: #3c7a4a; } .soft { color: var(--soft); font-size: .9rem; }
  .cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1.5rem; }
  .card h3 { font-weight: normal; margin: .5rem 0 0; font-size: 1.1rem; } .card p { margin: 0; }
  button { font: inherit; padding: .6rem 1.6rem; border: 0; border-radius: 2rem; background: var(--ink); color: #fff; }
  blockquote { margin: .75rem 0; padding-inline-start: 1rem; border-inline-start: 3px solid var(--line); }
  footer { border-top: 1px solid var(--line); color: var(--soft); font-size: .9rem; margin-top: 3rem; }
`;

/** A whole document. */
export function shopDocument({ title, head = '', body, language = 'en' }: ShopPage): string {
  const words = shopWords[language];
  return `<!doctype html>
<html lang="${language}" dir="${words.direction}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/images/icon.svg">
<title>${title} · Lumière &amp; Oak</title>
${head}
<style>${style}</style>
</head>
<body>
<header><a class="name" href="/">Lumière &amp; Oak</a><a href="/collections/lamps">${words.lamps}</a>
<a href="/#workshop">${words.workshop}</a><span class="soft">${words.basket}</span></header>
<main>
${body}
</main>
<footer>${words.shipping.map((line) => `<p>${line}</p>`).join('\n')}
<p>Lumière &amp; Oak, Rua da Boavista 84, 1200-067 Lisboa</p></footer>
</body>
</html>
`;
}

export type Offered = { name: string; image: string; facts: string };

/** A product beside its picture; `facts` is everything below the name's picture. */
export const productBlock = ({ name, image, facts }: Offered): string => `<article class="product">
<figure><img src="/images/${image}.svg" alt="${name}" width="640" height="640"></figure>
<div>
${facts}
</div>
</article>`;

export type Review = { stars: number; text: string; author: string };

/** What stands below a product and isn't one: opinions, and other things with other prices. */
export function aroundProduct(
  language: ShopLanguage,
  reviews: Review[],
  related: [path: string, name: string, price: string][],
): string {
  const words = shopWords[language];
  const opinions = reviews.map(
    ({ stars, text, author }) =>
      `<blockquote>${'★'.repeat(stars)} ${text} <span class="soft">${author}</span></blockquote>`,
  );
  return `<section class="reviews"><h2>${words.reviews}</h2>
${opinions.join('\n')}
</section>
<section class="related"><h2>${words.related}</h2>
<div class="cards">
${related.map(([path, name, price]) => card({ path, name, price, image: 'related' })).join('\n')}
</div>
</section>`;
}

export type Card = { path: string; name: string; price: string; image: string; note?: string };

/** An item of a list. */
export const card = ({ path, name, price, image, note }: Card): string => `<div class="card"><a href="${path}"><img
src="/images/${image}.svg" alt="" width="320" height="320" loading="lazy"></a>
<h3><a href="${path}">${name}</a></h3><p>${price}</p>${note ? `<p class="soft">${note}</p>` : ''}</div>`;

/** Structured data as a script; `<` can't end it. */
export const jsonLd = (data: object): string =>
  `<script type="application/ld+json">${JSON.stringify(data).replaceAll('<', '\\u003c')}</script>`;
