/** The content of a read page: everything that a person would see, with marks on what a person would not. */
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openWeb, productData } from './web.ts';

const web = await openWeb({ policy: { allowedHosts: new Set(['localhost:3999']) } });

describe('page completed by scripts', () => {
  it.each([700, 1_500])('includes product data added after %i ms', async (ms) => {
    const add = `const s = document.createElement('script'); s.type = 'application/ld+json';
      s.textContent = JSON.stringify({ '@type': 'Product', name: 'Late kettle' }); document.head.append(s);`;
    web.pages.set(
      'shop.test/late',
      `<!doctype html><h1>Kettle</h1><script>setTimeout(() => { ${add} }, ${ms})</script>`,
    );
    expect((await web.open('http://shop.test/late')).html).toContain('Late kettle');
  });

  it('includes content that loads 250 ms after scrolling to it', async () => {
    const sections = [1, 2, 3, 4].map((n) => `<section style="height:2000px" id="s${n}">…</section>`);
    const script = `new IntersectionObserver((entries, observer) => { for (const { target, isIntersecting } of entries)
      if (isIntersecting) { observer.unobserve(target); setTimeout(() => { target.textContent = 'lazy ' + target.id; }, 250); } });
      `;
    const observe = `const o = ${script} for (const s of document.querySelectorAll('section')) o.observe(s);`;
    web.pages.set('shop.test/lazy', `<!doctype html>${productData}${sections.join('')}<script>${observe}</script>`);
    const { html } = await web.open('http://shop.test/lazy');
    for (const n of [1, 2, 3, 4]) expect(html).toContain(`lazy s${n}`);
  });

  it('scrolls an element that replaces the window', async () => {
    const observe = `new IntersectionObserver(([e]) => { if (e.isIntersecting) e.target.textContent = 'lazy'; }).observe(document.querySelector('b'))`;
    const pane = `<main style="height:100vh;overflow-y:auto"><p style="height:4000px">top</p><b>…</b></main>`;
    web.pages.set(
      'shop.test/pane',
      `<!doctype html>${productData}<body style="margin:0">${pane}<script>${observe}</script>`,
    );
    expect((await web.open('http://shop.test/pane')).html).toContain('<b>lazy</b>');
  });

  it('answers a known consent dialog and clicks nothing else', async () => {
    const say = (word: string) => `document.title += ' ${word}'`;
    const buttons = `<button onclick="${say('bought')}">Buy</button><button onclick="${say('accepted')}">Accept all</button>`;
    const dialog = `<div class="cookie-banner"><button onclick="${say('refused')}">Alle ablehnen</button></div>`;
    web.pages.set('shop.test/consent', `<!doctype html><title>Shop</title>${productData}${buttons}${dialog}`);
    expect((await web.open('http://shop.test/consent')).html).toContain('<title>Shop refused</title>');
  });

  it('is read at the address it navigates to', async () => {
    web.pages.set(
      'shop.test/old',
      `<!doctype html><script>setTimeout(() => { location = '/new?id=1#top' }, 200)</script>`,
    );
    web.pages.set('shop.test/new', `<!doctype html>${productData}<h1>New place</h1>`);
    const page = await web.open('http://shop.test/old');
    expect(page).toMatchObject({ url: 'http://shop.test/new?id=1', status: 200 });
    expect(page.html).toContain('New place');
  });

  it('is read without a tracker that never responds', async () => {
    const quick = await openWeb({ timeoutMs: 10_000 }, onTestFinished);
    quick.pages.set(
      'shop.test/hangs',
      `<!doctype html>${productData}<h1>Kettle</h1><script async src="/never.js"></script>`,
    );
    quick.pages.set('shop.test/never.js', () => undefined);
    expect((await quick.open('http://shop.test/hangs')).html).toContain('Kettle');
  });
});

describe('marks on invisible elements', () => {
  const hidden = [
    '<p style="display:none">H</p>',
    '<p hidden>H</p>',
    '<p style="visibility:hidden">H</p>',
    '<p style="opacity:0.01">H</p>',
    '<p style="font-size:1px">H</p>',
    '<p style="color:#fff">H</p>',
    '<div style="background:#123456"><p style="color:rgb(18,52,86)">H</p></div>',
    '<p style="color:transparent">H</p>',
    '<p style="position:absolute;left:-9999px">H</p>',
    '<p style="position:absolute;top:-5000px">H</p>',
    '<p style="text-indent:-9999px">H</p>',
    '<p style="position:absolute;clip:rect(0,0,0,0)">H</p>',
    '<p style="clip-path:inset(50%)">H</p>',
    '<p style="position:absolute;width:1px;height:1px;overflow:hidden">H</p>',
    '<p style="height:0;overflow:hidden">H</p>',
    '<p style="transform:scale(0)">H</p>',
    '<p aria-hidden="true">H</p>',
  ];
  const seen = [
    '<p style="position:absolute;top:4000px">S</p>',
    '<div style="visibility:hidden"><p style="visibility:visible">S</p></div>',
    '<div style="font-size:0"><p style="font-size:16px">S</p></div>',
    '<div style="color:#fff;background:#000"><p>S</p></div>',
    '<div style="background-image:linear-gradient(red,blue)"><p style="color:#fff">S</p></div>',
    '<div style="position:relative"><img src="/hero.jpg"><p style="color:#fff">S</p></div>',
    '<p style="background:linear-gradient(red,blue);background-clip:text;color:transparent">S</p>',
    '<div style="display:contents"><p>S</p></div>',
    '<div style="height:0"><p>S</p></div>',
    '<meta itemprop="priceCurrency" content="S"><link itemprop="availability" href="S">',
  ];

  it('are set on each invisible element and no other', async () => {
    const body = [...hidden, ...seen].map((html) => `<section>${html}</section>`).join('');
    web.pages.set('shop.test/marks', `<!doctype html><head><title>t</title>${productData}</head><body>${body}</body>`);
    const { html } = await web.open('http://shop.test/marks');
    const sections = html.split('<section>').slice(1);
    const marked = sections.filter((section) => section.includes('data-tally-hidden'));
    expect(marked).toHaveLength(hidden.length);
    expect(marked).toEqual(sections.slice(0, hidden.length));
    expect(html.split('<body>')[0]).not.toContain('data-tally-hidden');
  });

  it('are not set on a screen-reader price that is also visible', async () => {
    const offscreen = 'position:absolute;width:1px;height:1px;overflow:hidden';
    const price = `<p><span style="${offscreen}">$19.99</span><span aria-hidden="true">$19<sup>99</sup></span></p>`;
    const lie = `<p><span style="${offscreen}">$0.01</span><span aria-hidden="true">$19<sup>99</sup></span></p>`;
    web.pages.set('shop.test/price', `<!doctype html>${productData}${price}${lie}`);
    const { html } = await web.open('http://shop.test/price');
    expect(html).toMatch(/overflow:hidden">\$19\.99/);
    expect(html).toMatch(/data-tally-hidden="">\$0\.01/);
  });

  it('can’t be prevented by the page’s scripts', async () => {
    const script = `getComputedStyle = () => ({}); Element.prototype.setAttribute = () => {}; Number = () => 1;`;
    web.pages.set(
      'shop.test/tricks',
      `<!doctype html>${productData}<p style="opacity:0">H</p><script>${script}</script>`,
    );
    expect((await web.open('http://shop.test/tricks')).html).toContain('data-tally-hidden="">H</p>');
  });

  it('are complete on a page of thousands of elements', async () => {
    const cards = Array.from(
      { length: 5_000 },
      (_, i) => `<li style="display:inline"><a href="/p/${i}"><b>Kettle ${i}</b> <i>${i},90 €</i></a></li>`,
    );
    const html = `<!doctype html>${productData}<ul style="font-size:8px">${cards.join('')}</ul><p style="opacity:0">H</p>`;
    web.pages.set('shop.test/large', (_request, response) =>
      response.writeHead(200, { 'content-type': 'text/html', 'content-encoding': 'gzip' }).end(gzipSync(html)),
    );
    expect((await web.open('http://shop.test/large')).html).toContain('data-tally-hidden="">H</p>');
  });
});

describe('content of a page', () => {
  it.each([
    ['text/html; charset=iso-8859-1', ''],
    ['text/html', '<meta charset="iso-8859-1">'],
    ['text/html; charset=windows-1252', ''],
  ])('is decoded as declared by %s %s', async (type, meta) => {
    const body = Buffer.from(`<!doctype html>${meta}${productData}<p>Café grão</p>`, 'latin1');
    web.pages.set('shop.test/latin', (_request, response) =>
      response.writeHead(200, { 'content-type': type }).end(body),
    );
    expect((await web.open('http://shop.test/latin')).html).toContain('Café grão');
  });

  it('keeps images, which are never fetched', async () => {
    web.pages.set('shop.test/image', `<!doctype html>${productData}<img src="/kettle.jpg" onerror="this.remove()">`);
    expect((await web.open('http://shop.test/image')).html).toContain('/kettle.jpg');
    expect(web.asked).not.toContain('shop.test/kettle.jpg');
  });

  it('is read from any host and port that the operator allowed', async () => {
    web.names.set('localhost', [['93.184.215.14']]);
    web.pages.set('localhost:3999/', `<!doctype html>${productData}<h1>Ours</h1>`);
    expect((await web.open('http://localhost:3999/')).html).toContain('Ours');
  });
});
