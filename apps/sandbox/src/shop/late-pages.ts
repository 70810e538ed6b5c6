/** Product pages that only a browser can read: what they say comes from a script, later or lower down. */
import { aroundProduct, productBlock, shopDocument } from './layout.ts';

const lateMs = 600;

const haloData = {
  '@context': 'https://schema.org',
  '@type': 'Product',
  name: 'Halo wall light',
  sku: 'LO-HAL-05',
  brand: 'Lumière & Oak',
  description: 'A ring of opal glass on a plate of oak.',
  offers: { '@type': 'Offer', price: 89.5, priceCurrency: 'EUR', availability: 'https://schema.org/OutOfStock' },
};

/** Structured data that a tag manager adds after a while. */
export const haloDocument = shopDocument({
  title: 'Halo wall light',
  body: `${productBlock({
    name: 'Halo wall light',
    image: 'halo',
    facts: `<h1>Halo wall light</h1><div id="facts"><p class="soft">Loading …</p></div>`,
  })}
${aroundProduct('en', [], [['/products/tide-pendant', 'Tide pendant', 'from 119.00 EUR']])}
<script>
setTimeout(() => {
  const script = document.createElement('script');
  script.type = 'application/ld+json';
  script.textContent = ${JSON.stringify(JSON.stringify(haloData))};
  document.head.append(script);
  document.getElementById('facts').innerHTML =
    '<p class="price">€89.50</p><p>Sold out until spring.</p><p>A ring of opal glass on a plate of oak.</p>';
}, ${lateMs});
</script>`,
});

/** Text only, and only for those who scroll down to it. */
export const driftDocument = shopDocument({
  title: 'The Drift story',
  body: `<h1>The Drift story</h1>
<section style="min-height: 2600px"><p>Driftwood comes to us with the tide. Scroll down to see what we make of it.</p></section>
<section id="offer" style="min-height: 320px"></section>
<section style="min-height: 900px"><p class="soft">Every lantern is different.</p></section>
<script>
new IntersectionObserver((entries, observer) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  observer.disconnect();
  setTimeout(() => {
    document.getElementById('offer').innerHTML = '<h2>Drift lantern</h2><p class="price">74.00 EUR</p>' +
      '<p class="stock">In stock</p><p>A lantern of found wood with a candle of light inside.</p><p>Item no. LO-DRI-06</p>';
  }, 250);
}).observe(document.getElementById('offer'));
</script>`,
});
