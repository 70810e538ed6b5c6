/** Product pages in other languages and without structured data: a reader must understand them. */
import { aroundProduct, productBlock, shopDocument } from './layout.ts';

/** Thousands with a point, a struck-through price before the real one, a rate of instalments after it. */
export const nordlichtDocument = shopDocument({
  language: 'de',
  title: 'Kronleuchter Nordlicht',
  body: `${productBlock({
    name: 'Kronleuchter Nordlicht',
    image: 'nordlicht',
    facts: `<h1>Kronleuchter Nordlicht</h1>
<p class="was">statt <s>1.490,00 €</s></p>
<p class="price">1.234,56 €</p><p class="soft">inkl. MwSt. oder 12 Monatsraten zu 102,88 €</p>
<p class="stock">Auf Lager, in 3 bis 5 Tagen bei Ihnen</p>
<p>Ein Kronleuchter aus gedämpfter Esche mit zwölf Armen, in unserer Werkstatt in Lissabon von Hand gebogen und verleimt.</p>
<p>Artikelnummer: LO-NOR-12</p><p>Hersteller: Lumière &amp; Oak</p>
<p>Gutschein WINTER: 25,00 € Rabatt auf die nächste Bestellung.</p><button type="button">In den Warenkorb</button>`,
  })}
${aroundProduct(
  'de',
  [{ stars: 5, text: 'Ein Prachtstück, jeden Cent wert.', author: 'Jutta' }],
  [['/products/tide-pendant', 'Pendelleuchte Tide', 'ab 119,00 €']],
)}`,
});

/** Right to left, Persian digits, and a currency that has no ISO code. */
export const mahtabDocument = shopDocument({
  language: 'fa',
  title: 'چراغ مطالعهٔ مهتاب',
  body: `${productBlock({
    name: 'چراغ مطالعهٔ مهتاب',
    image: 'mahtab',
    facts: `<h1>چراغ مطالعهٔ مهتاب</h1>
<p class="price">۴٬۸۵۰٬۰۰۰ تومان</p><p class="stock">موجود در انبار</p>
<p>چراغ مطالعه‌ای از چوب بلوط با نور گرم و قابل تنظیم که چشم را خسته نمی‌کند و تا ۴۰ ساعت بی‌سیم روشن می‌ماند.</p>
<p>کد کالا: LO-MAH-07</p><p>برند: لومیر و اوک</p><button type="button">افزودن به سبد</button>`,
  })}
${aroundProduct(
  'fa',
  [{ stars: 5, text: 'نورش عالی است و چشم را خسته نمی‌کند.', author: 'نگار' }],
  [['/products/aurora-desk-lamp', 'چراغ رومیزی آرورا', '۸٬۹۰۰٬۰۰۰ تومان']],
)}`,
});

export const komorebiDocument = shopDocument({
  language: 'ja',
  title: '行灯ランプ「木もれ日」',
  body: `${productBlock({
    name: '行灯ランプ「木もれ日」',
    image: 'komorebi',
    facts: `<h1>行灯ランプ「木もれ日」</h1>
<p class="price">￥28,600（税込）</p><p class="stock">在庫あり</p>
<p>オーク材の枠に手漉き和紙を張った行灯です。木もれ日のようなやわらかな光で、寝室や和室を静かに照らします。</p>
<p>品番：LO-KOM-08</p><p>ブランド：Lumière &amp; Oak</p><button type="button">カートに入れる</button>`,
  })}
${aroundProduct(
  'ja',
  [{ stars: 4, text: '光がとてもやわらかいです。', author: '佐藤' }],
  [['/products/lumen-floor-lamp', 'フロアランプ「ルーメン」', '￥41,800']],
)}`,
});
