/** Recognizes content outside a page's main part: navigation, related items, reviews, other sellers. */
import type { Element } from './dom.ts';

/** Words in classes and ids of areas that never contain the page's own price. */
const besideNames =
  /(?:^|[-_ ])(?:related|recommend(?:ed|ations?|ation)?|recs|upsells?|cross-?sells?|crosssell|similar|also-?(?:like|bought|viewed)|recently-?viewed|recent-?(?:ly|products|items)|last-?seen|reviews?|testimonials?|ratings?|comments?|newsletter|cookies?|consent|mini-?cart|cart-?drawer|breadcrumbs?|site-?(?:header|footer|nav)|navbar|mega-?menu|footer|sponsored|carousel-related|other-?sellers|bundles?)(?:$|[-_ ])/i;
const besideTags = new Set(['nav', 'footer', 'header', 'aside']);
const besideRoles = new Set(['banner', 'navigation', 'contentinfo', 'complementary', 'search']);
/** Words in classes and ids of purchase areas, which contain the price even in an aside. */
const buyNames =
  /(?:^|[-_ ])(?:buy-?box|buybox|purchase|add-?to-?cart|product-?(?:info|price|summary|form|buy|detail|details)|price-?box|pdp)(?:$|[-_ ])/i;

/**
 * Why content is outside the main part: `furniture` (the site's header, navigation and footer), `area` (by its class
 * name, which may be wrong), or `others` (a list of other products).
 */
export type Beside = 'furniture' | 'area' | 'others';

/** The kind of an element outside the main part, by its tag, role, class or id; undefined for the main part. */
export function besideElement(element: Element): Beside | undefined {
  const names = `${element.attribs.class ?? ''} ${element.attribs.id ?? ''}`.replace(/([a-z])([A-Z])/g, '$1-$2');
  if (buyNames.test(names)) return undefined;
  if (besideTags.has(element.name) || besideRoles.has(element.attribs.role ?? '')) return 'furniture';
  return besideNames.test(names) ? 'area' : undefined;
}

/** Phrases that always begin a list of other products. */
const others =
  "(?:you (?:may|might|could|will|'ll|’ll)(?: also)? |you['’]ll |(?:see |our |more |view )?(?:related|similar)\\b|customers (?:also|who)|(?:others|people|shoppers) (?:also|who)|(?:frequently|often|usually) bought|buy (?:it )?together|bought together|recently viewed|last viewed|goes well with|pairs well|pair it with|complete (?:the|your)|shop the look|more (?:like this|from)|other sellers|more sellers|recommended|recommendations|we (?:also )?recommend|because you|inspired by|sponsored|" +
  'das könnte |das gefällt|ähnliche|passend|passt (?:dazu|gut|zu)|dazu pass|kunden |(?:wird |werden )?(?:oft|häufig) zusammen|zuletzt |kürzlich|empfehlung|empfohlen|andere (?:verkäufer|kunden|anbieter)|weitere (?:produkte|artikel|angebote|verkäufer)|auch interessant|' +
  'vous (?:aimerez|pourriez|allez|avez)|cela pourrait|produits? (?:similaires|associ|apparent|complém|liés)|articles? (?:similaires|associ)|similaires|souvent achet|fréquemment|les clients|ils ont aussi|récemment|vus? récemment|nos (?:suggestions|recommand)|recommand|autres vendeurs|' +
  'también te|te (?:puede|podría|pueden)|quizás|tal vez|(?:productos|artículos) (?:relacion|similar|recomend)|relacionados|visto|comprados? junt|los clientes|recomendad|recomendacion|otros (?:vendedores|clientes)|' +
  'potrebbe|ti potrebbe|forse ti|(?:prodotti|articoli) (?:correlat|simil)|correlati|visti di recente|visualizzati|spesso (?:acquist|comprat)|altri venditori|consigliati|chi ha|' +
  'você (?:também|pode)|também (?:te|pode)|quem (?:viu|comprou)|(?:produtos|artigos) (?:relacion|semelh|similar)|vistos|compre junto|outros vendedores|recomendad|talvez|' +
  'misschien|vind je|gerelateerd|vergelijkbare|anderen |vaak samen|recent bekeken|laatst bekeken|andere verkopers|ook interessant|bijpassend|aanbevolen|' +
  'bunlar da|bunları da|ilginizi|benzer|ilgili ürün|birlikte al|son (?:baktı|incele|görüntü)|önerilen|diğer satıcı|tamamlayıcı|sizin için|' +
  'du (?:vil|kan|kanskje|vil kanskje|gillar|kanske)|andre (?:kjøpte|så|købte|selgere)|andra köpte|kanskje|relater|lignende|liknende|liknande|nylig|sist sett|senast|anbefal|passer (?:godt|til|sammen)|ofte kjøpt|kjøp sammen|' +
  'podobne|polecan|może ci|ostatnio|podobné|mohlo by|naposledy|doporuč|похожие|вам может|с этим|вы (?:недавно )?смотрели|рекоменд|другие продавцы|схожі)|' +
  '^(?:شاید|(?:محصولات|کالاهای) (?:مرتبط|مشابه|پیشنهادی|دیگر)|مرتبط|مشابه|پیشنهاد|بازدید|اخیر|خریداران|سایر فروش|فروشندگان دیگر|قد (?:يعجبك|تعجبك)|ربما|منتجات (?:ذات|مشابهة|مقترحة|أخرى)|ذات صلة|شوهد|شاهدت|يشترى|اشترى|بائعون|موصى|عملاء)|' +
  'おすすめ|関連商品|関連する|類似|最近(?:見|チェック|閲覧)|よく一緒に|この商品を(?:見|買)|他の出品者|相关|相關|推荐|推薦|猜你喜欢|最近浏览|相似|추천 ?상품|관련 ?상품|최근 본|비슷한|함께 (?:구매|본)|आपको (?:यह|ये)|मिलते-जुलते';

/** Headings of areas outside the product whose words could also label the product ("Bestseller"). */
const furniture =
  'reviews?\\b|customer reviews|\\d+ reviews|more reviews|ratings?\\b|what (?:our |my )?customers|best ?sellers?|bestsell|trending|popular|new arrivals|featured|accessories|newsletter|latest|from (?:the|our) blog|instagram|' +
  'bewertung|rezension|kundenmeinung|zubehör|neuheiten|beliebt|topseller|avis\\b|commentaires|meilleures ventes|accessoires|nouveautés|opiniones|reseñas|valoraciones|más vendidos|accesorios|' +
  'recension|opinioni|più venduti|accessori|novità|avaliaç|mais vendidos|acessórios|beoordeling|accessoires|populair|değerlendirme|yorum|çok satan|aksesuar|omtaler|anmeldelser|tilbehør|tillbehör|omdömen|bestselgere|opinie|akcesoria|hodnocení|отзывы|аксессуары';
const furnitureAnywhere =
  '^(?:دیدگاه|نظرات|نظر کاربران|پرفروش|لوازم|تقييمات|مراجعات|آراء|الأكثر مبيعا)|レビュー|口コミ|ランキング|评价|評價|리뷰';

const othersPattern = new RegExp(`^${others}`, 'iu');
const furniturePattern = new RegExp(`^(?:${furniture})|${furnitureAnywhere}`, 'iu');

const withoutLeadingSymbols = (text: string): string => text.replace(/^[^\p{L}\p{N}]+/u, '');

/** The kind of area that a heading begins outside the main part, or undefined. */
export function besideHeading(text: string): Beside | undefined {
  if (othersPattern.test(withoutLeadingSymbols(text))) return 'others';
  return furniturePattern.test(withoutLeadingSymbols(text)) ? 'area' : undefined;
}

/** The same for a short line that only looks like a heading: only phrases for other products count. */
export const besideLine = (text: string): Beside | undefined =>
  text.length <= 60 && othersPattern.test(withoutLeadingSymbols(text)) ? 'others' : undefined;
