/** Reads availability from structured data terms and from a shop's visible text. */
import type { Availability } from '../product.ts';

const terms: Record<string, Availability> = {
  instock: 'in_stock',
  limitedavailability: 'in_stock',
  onlineonly: 'in_stock',
  instoreonly: 'in_stock',
  available: 'in_stock',
  lowstock: 'in_stock',
  outofstock: 'out_of_stock',
  soldout: 'out_of_stock',
  discontinued: 'out_of_stock',
  oos: 'out_of_stock',
  unavailable: 'out_of_stock',
  notavailable: 'out_of_stock',
};

/** A term is one word; longer values are cut. */
const maxTermCharacters = 200;

/** Reads a schema.org or OpenGraph term, with or without its URL: `https://schema.org/InStock`, `in stock`. */
export function availabilityOf(term: string | null): Availability {
  const word = (term ?? '').slice(0, maxTermCharacters).trim().replace(/\/+$/, '').split(/[/#:]/).at(-1) ?? '';
  return terms[word.toLowerCase().replace(/[^a-z]/g, '')] ?? 'unknown';
}

const outWords = new RegExp(
  '(?<!\\p{L})(?:sold[ -]?out|out of stock|out-of-stock|not (?:currently )?(?:in stock|available)|currently unavailable|unavailable|no longer available|discontinued|notify me when|back in stock soon|' +
    'ausverkauft|nicht (?:mehr )?(?:lieferbar|verfügbar|vorrätig|auf lager)|vergriffen|derzeit nicht|momentan nicht|zurzeit nicht|' +
    "épuisée?s?|rupture|indisponible|n'est plus disponible|non disponible|agotad[oa]s?|sin stock|no disponible|sin existencias|fuera de stock|" +
    'esaurit[oaie]|non disponibile|terminato|esgotad[oa]s?|indisponível|sem estoque|fora de estoque|uitverkocht|niet (?:op voorraad|leverbaar|beschikbaar)|' +
    'tükendi|stokta yok|stokta bulunm|mevcut değil|utsolgt|ikke på lager|slutsåld|slut i lager|ej i lager|udsolgt|loppuunmyyty|' +
    'wyprzedan|niedostępn|brak w magazynie|vyprodáno|není skladem|elfogyott|stoc epuizat|нет в наличии|распродан|законч|немає в наявності)|' +
    'ناموجود|اتمام موجودی|تمام شد|موجود نیست|موجود نمی|غير متوفر|غير متاح|نفذ|نفد|نفدت|نفذت|غير موجود|在庫なし|在庫切れ|品切れ|売り切れ|完売|入荷待ち|SOLD ?OUT|缺货|缺貨|售罄|无货|已售完|품절|स्टॉक में नहीं|बिक गया',
  'iu',
);
const inWords = new RegExp(
  '(?<!\\p{L})(?:in stock|in-stock|available|ready to ship|ships (?:in|within|today|tomorrow|from)|(?<!\\d)\\d{1,4} left|add to (?:cart|bag|basket|trolley)|buy now|buy it now|order now|add$|' +
    'auf lager|lieferbar|verfügbar|vorrätig|sofort (?:lieferbar|versandfertig)|lagernd|noch \\d|in den (?:waren|einkaufs)korb|jetzt (?:kaufen|bestellen)|' +
    'en stock|disponible|plus que \\d|ajouter au panier|acheter|en existencia|hay existencias|últimas unidades|añadir|agregar al carrito|comprar|' +
    'disponibil|in magazzino|aggiungi|acquista|disponível|disponíveis|em estoque|em stock|adicionar|' +
    'op voorraad|leverbaar|beschikbaar|in winkelwagen|in winkelmand|bestellen|stokta|stoklarda|mevcut|sepete ekle|hemen al|satın al|' +
    'på lager|i lager|finns i|legg i|kjøp|lägg i|köp|læg i|køb|tilgjengelig|varastossa|dostępn|w magazynie|do koszyka|kup teraz|skladem|do košíku|raktáron|kosárba|în stoc|adaugă|' +
    'в наличии|в корзину|купить|є в наявності|в кошик)|' +
    'موجود|افزودن به سبد|خرید|متوفر|متاح|أضف إلى|اضف|اشتر|在庫あり|在庫有|残り|カートに|購入|即納|有货|有貨|现货|加入购物车|加入購物車|立即购买|재고 있음|장바구니|구매|स्टॉक में|कार्ट',
  'iu',
);

const everyDenial = new RegExp(outWords.source, 'giu');

/** Stock is stated at the beginning of a passage; longer text is not searched. */
const maxCharacters = 2_000;

/** What `text` says about stock; both may be true, for example if one size is sold out. */
export function saidAvailability(text: string): { inStock: boolean; outOfStock: boolean } {
  const start = text.slice(0, maxCharacters);
  const outOfStock = outWords.test(start);
  // "Not available" contains "available", so the out-of-stock phrases are removed first.
  const rest = start.replace(everyDenial, ' ');
  return { inStock: inWords.test(rest), outOfStock };
}
