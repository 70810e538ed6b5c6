/** The shop's front page, and its list of lamps. */
import { type Card, card, jsonLd, shopDocument } from './layout.ts';

const lamps: Card[] = [
  {
    path: '/products/aurora-desk-lamp',
    name: 'Aurora desk lamp',
    price: '129.00 EUR',
    image: 'aurora',
    note: 'In stock',
  },
  {
    path: '/products/lumen-floor-lamp',
    name: 'Lumen floor lamp',
    price: '249.00 EUR',
    image: 'lumen',
    note: 'In stock',
  },
  {
    path: '/products/beacon-reading-light',
    name: 'Beacon reading light',
    price: '59.90 EUR',
    image: 'beacon',
    note: 'In stock',
  },
  { path: '/products/tide-pendant', name: 'Tide pendant', price: 'from 119.00 EUR', image: 'tide', note: 'In stock' },
  { path: '/products/halo-wall-light', name: 'Halo wall light', price: '89.50 EUR', image: 'halo', note: 'Sold out' },
  { path: '/products/drift-lantern', name: 'Drift lantern', price: '74.00 EUR', image: 'drift', note: 'In stock' },
];

const links: [path: string, label: string][] = [
  ['/products/aurora-desk-lamp', 'Aurora desk lamp: JSON-LD'],
  ['/products/lumen-floor-lamp', 'Lumen floor lamp: microdata'],
  ['/products/beacon-reading-light', 'Beacon reading light: OpenGraph only'],
  ['/products/tide-pendant', 'Tide pendant: a group with variants'],
  ['/products/ember-candle-holder', 'Ember candle holder: offers of several sellers'],
  ['/products/halo-wall-light', 'Halo wall light: JSON-LD that a script adds after 600 ms'],
  ['/products/drift-lantern', 'Drift lantern: appears only after scrolling'],
  ['/de/produkte/kronleuchter-nordlicht', 'Kronleuchter Nordlicht: German, no structured data'],
  ['/fa/products/mahtab', 'چراغ مطالعهٔ مهتاب: Persian, Toman'],
  ['/ja/products/komorebi', '木もれ日: Japanese'],
  ['/collections/lamps', 'All lamps: a list'],
  ['/products/hidden-instructions', 'Candela clip lamp: a page that speaks to the model'],
  ['/blocked', 'A page that wants to know whether you are human'],
  ['/gone', 'A page that is gone'],
  ['/redirect?to=aurora', 'A redirect to the Aurora'],
  ['/redirect?to=metadata', 'A redirect to a private address'],
  ['/slow', 'A page that takes its time'],
];

export const homeDocument = shopDocument({
  title: 'Lamps from Lisbon',
  body: `<h1>Lamps that last, made in Lisbon</h1>
<p id="workshop">We are six people in a workshop near the river. We turn, weave and wire every lamp ourselves, and mend
each one for as long as it shines.</p>
<div class="cards">
${lamps.map(card).join('\n')}
</div>
<h2>For whoever tries out an extraction</h2>
<p class="soft">A sample shop: nothing here can be bought. Each page shows another way in which shops state what they sell.</p>
<ul>
${links.map(([path, label]) => `<li><a href="${path}">${label}</a></li>`).join('\n')}
</ul>`,
});

/** The list names each lamp, but its structured data only where to find them, as most shops have it. */
export const collectionDocument = shopDocument({
  title: 'Lamps',
  head: jsonLd({
    '@context': 'https://schema.org',
    '@type': 'ItemList',
    itemListElement: lamps.map(({ path }, index) => ({ '@type': 'ListItem', position: index + 1, url: path })),
  }),
  body: `<h1>Lamps</h1>
<p>All of our lamps in one place. Six models, all of them repairable.</p>
<div class="cards">
${lamps.map(card).join('\n')}
</div>
<section class="related"><h2>Recently viewed</h2><div class="cards">
${card({ path: '/products/linen-shade', name: 'Spare linen shade', price: '39.00 EUR', image: 'related' })}
</div></section>`,
});
