/** Reads OpenGraph and product meta elements. */
import { absoluteUrl, metaOf } from '../page/dom.ts';
import type { PageView } from '../page/page-view.ts';
import { availabilityOf } from '../text/availability.ts';
import { currencyCode } from '../text/currency.ts';
import { folded } from '../text/names.ts';
import { isZero } from '../text/price.ts';
import { type FoundProduct, nothingFound } from './found-product.ts';
import { plainText } from './json.ts';
import { amountOf } from './values.ts';

const maxImages = 20;

/** The product in the page's head, if any. A title and an image are not enough, because every page has them. */
export function readOpenGraph({ $, url, language, topics }: PageView): FoundProduct[] {
  const meta = (...names: string[]): string | null => {
    const value = metaOf($, ...names);
    return value === null ? null : plainText(value) || null;
  };
  const amountText = meta('product:sale_price:amount', 'product:price:amount', 'og:price:amount', 'product:price');
  const isProduct = /^(?:og:)?product/i.test(meta('og:type') ?? '');
  const title = meta('og:title', 'twitter:title') ?? topics.headings[0] ?? null;
  if (title === null || (!isProduct && amountText === null)) return [];
  const currency = currencyCode(
    meta('product:sale_price:currency', 'product:price:currency', 'og:price:currency'),
    language,
  );
  const amount = amountOf(amountText, currency, language);
  const price = amount === null || isZero(amount) ? null : amount;
  const images = $('meta[property="og:image"], meta[property="og:image:secure_url"], meta[name="og:image"]').get();
  return [
    {
      ...nothingFound,
      name: withoutSite(title.slice(0, 300), meta('og:site_name'), topics.headings),
      price,
      prices: price === null ? [] : [price],
      currency,
      availability: availabilityOf(meta('product:availability', 'og:availability')),
      sku: meta('product:retailer_item_id', 'product:sku'),
      gtin: meta('product:ean', 'product:gtin', 'product:upc', 'product:isbn'),
      mpn: meta('product:mfr_part_no'),
      brand: meta('product:brand', 'og:brand'),
      description: meta('og:description'),
      images: [
        ...new Set(images.slice(0, maxImages).flatMap((image) => absoluteUrl(image.attribs.content, url) ?? [])),
      ],
      url: absoluteUrl(meta('og:url'), url),
    },
  ];
}

/** Removes the site's name from a title: "Kettle | Harrow & Finch" gives "Kettle". */
function withoutSite(title: string, site: string | null, headings: string[]): string {
  const heading = headings.find(
    (text) => folded(title).startsWith(folded(text)) && /^\s*[|–—·:-]\s/.test(folded(title).slice(folded(text).length)),
  );
  if (heading !== undefined) return heading;
  const parts = title.split(/\s+[|–—·-]\s+/);
  const last = parts.at(-1) ?? '';
  return site !== null && parts.length > 1 && folded(last) === folded(site)
    ? title.slice(0, title.lastIndexOf(last)).replace(/\s+[|–—·-]\s+$/, '')
    : title;
}
