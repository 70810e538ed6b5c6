/** Tests hostile pages: time grows at most linearly with their size, and the output is limited. */
import { describe, expect, it } from 'vitest';
import { isHidden, parseHtml } from '../../../extraction/src/page/dom.ts';
import { parseTolerant, plainText } from '../../../extraction/src/structured/json.ts';
import { kindOf } from '../../../extraction/src/text/amount-kind.ts';
import { availabilityOf, saidAvailability } from '../../../extraction/src/text/availability.ts';
import { findMoney } from '../../../extraction/src/text/money.ts';
import { folded, wordsOf } from '../../../extraction/src/text/names.ts';
import { parseAmount } from '../../../extraction/src/text/price.ts';
import { claim, extract, jsonLd, noModel, type TestPage } from './harness.ts';

/** Expects less than 24 times the time for 8 times the input: linear is 8, quadratic 64. The constant absorbs noise. */
async function expectLinear<T>(of: (size: number) => T, work: (input: T) => unknown, size: number): Promise<void> {
  const time = async (input: T): Promise<number> => {
    const start = process.threadCpuUsage();
    await work(input);
    // CPU time of this thread, because other processes use the machine too.
    const { user, system } = process.threadCpuUsage(start);
    return (user + system) / 1_000;
  };
  const [small, large] = [of(size), of(8 * size)];
  await time(small);
  expect(await time(large)).toBeLessThan(24 * (await time(small)) + 150);
}

const strings: [string, (size: number) => string][] = [
  ['digits', (n) => '1'.repeat(n)],
  ['other digits', (n) => '۱'.repeat(n)],
  ['grouped digits', (n) => '1 000'.repeat(n / 5)],
  ['points', (n) => '1.'.repeat(n / 2)],
  ['amounts', (n) => '$1 '.repeat(n / 3)],
  ['bare numbers', (n) => '7 '.repeat(n / 2)],
  ['spaces', (n) => `a${' '.repeat(n)}b`],
  ['slashes', (n) => `${'/'.repeat(n)}x`],
  ['zeros', (n) => `opacity:${'0'.repeat(n)}1`],
  ['colons', (n) => 'opacity : '.repeat(n / 10)],
  ['tildes', (n) => '~~ '.repeat(n / 3)],
  ['denials', (n) => 'sold '.repeat(n / 5)],
  ['ampersands', (n) => '&a'.repeat(n / 2)],
  ['brackets', (n) => '<b '.repeat(n / 3)],
  ['braces', (n) => '{"a":['.repeat(n / 6)],
  ['quotes', (n) => `["${"','".repeat(n / 3)}`],
  ['semicolons', (n) => '{};'.repeat(n / 3)],
  ['comments', (n) => '// -->'.repeat(n / 6)],
];
const readers: [string, (text: string) => unknown][] = [
  ['saidAvailability', saidAvailability],
  ['availabilityOf', availabilityOf],
  ['findMoney', (text) => findMoney(text, 'en')],
  ['findMoney in German', (text) => findMoney(text, 'de')],
  ['kindOf', (text) => kindOf(text, text.slice(0, 40))],
  ['parseAmount', (text) => parseAmount(text, { language: 'de', machine: true })],
  ['wordsOf', wordsOf],
  ['folded', folded],
  ['plainText', plainText],
  ['parseTolerant', parseTolerant],
  ['isHidden', (text) => isHidden({ name: 'p', attribs: { style: text } } as never)],
];

describe.each(readers)('%s', (_, read) => {
  it.each(strings)('takes time proportional to %s', (_name, of) => expectLinear(of, read, 25_000));
});

const run = (page: TestPage) => extract(page, () => ({ products: [] }));
const numbers = (count: number) => Array.from({ length: Math.round(count) }, (_, i) => i);
const named = (i: number) => ({ '@type': 'Product', name: `Thing number ${i}`, offers: { price: i + 1 } });

describe('a hostile page', () => {
  it('is not inflated by unbalanced formatting elements', () => {
    const fonts = numbers(700)
      .map((i) => `<font size="${i}">`)
      .join('');
    const html = `<body><p>${fonts}${'<p>x</p>'.repeat(700)}${'</font>'.repeat(700)}</p></body>`;
    // A parser that repairs tags would create 490,000 elements.
    expect(parseHtml(html)('*').length).toBeLessThan(2_000);
  });

  it.each<[string, number, (count: number) => TestPage]>([
    ['nested elements', 3_000, (n) => ({ body: `${'<div>'.repeat(n)}x${'</div>'.repeat(n)}` })],
    ['many texts in one line', 8_000, (n) => ({ body: `<p>${'<b>x</b>'.repeat(n)}</p>` })],
    ['many lines', 2_000, (n) => ({ body: '$1.00 x<br>'.repeat(n) })],
    ['many headings of other things', 2_000, (n) => ({ body: '<h2>Related</h2>'.repeat(n) })],
    ['a title of a megabyte', 100_000, (n) => ({ head: `<title>${'a '.repeat(n)}</title>`, body: '<h1>a</h1><p>$5' })],
    [
      'many products in JSON-LD',
      400,
      (n) => ({
        head: jsonLd(numbers(n).map(named)),
        body: numbers(n)
          .map((i) => `<h3>Thing number ${i}</h3><p>${i + 1}.00 EUR</p>`)
          .join(''),
      }),
    ],
    [
      'many products in its state',
      400,
      (n) => ({
        body: `${numbers(n)
          .map((i) => `<p>Thing number ${i}</p><p>${i + 1}.00 EUR</p>`)
          .join(
            '',
          )}<script>window.x = ${JSON.stringify(numbers(n).map((i) => ({ name: `Thing number ${i}`, price: i + 1 })))}</script>`,
      }),
    ],
    [
      'many descriptions of one id',
      1_000,
      (n) => ({ head: jsonLd(numbers(n).map((i) => ({ '@id': 'a', [`k${i}`]: i }))), body: 'x' }),
    ],
    [
      'JSON that needs repair',
      2_000,
      (n) => ({
        head: jsonLd(
          `[${numbers(n)
            .map((i) => `{'name':'x${i}'`)
            .join(',')}`,
        ),
        body: 'x',
      }),
    ],
    ['a property many times', 3_000, (n) => ({ body: `<div itemscope>${'<i itemprop=name>x</i>'.repeat(n)}</div>` })],
    [
      'many items',
      1_000,
      (n) => ({ body: '<div itemscope itemtype="schema:Product"><i itemprop=name>x</i></div>'.repeat(n) }),
    ],
  ])('takes time proportional to %s', (_, count, of) => expectLinear(of, run, count), 30_000);

  it.each<[string, unknown]>([
    ['lists', { '@id': 'a', '@type': 'ItemList', itemListElement: Array(100).fill('a') }],
    [
      'offers',
      [
        { '@type': 'Product', name: 'x', offers: 'o' },
        { '@id': 'o', offers: Array(300).fill('o') },
      ],
    ],
    ['pictures', { '@type': 'Product', name: 'x', image: { '@id': 'i', url: Array(200).fill({ '@id': 'i' }) } }],
  ])('with %s that contain themselves is read in time', async (_, data) => {
    const start = performance.now();
    await run({ head: jsonLd(data), body: '<h1>x</h1>' });
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  it('yields limited numbers and lengths of values', async () => {
    const long = (letter: string) => letter.repeat(20_000);
    const product = (i: number) => ({
      '@type': 'Product',
      name: `Thing ${i} ${long('n')}`,
      sku: long('s'),
      mpn: long('m'),
      brand: long('b'),
      description: long('d'),
      image: numbers(50).map((image) => `/${i}/${image}.jpg`),
      offers: { price: '5.00', priceCurrency: 'EUR' },
    });
    const head = jsonLd(numbers(400).map(product));
    const body = numbers(400)
      .map((i) => `<h3>Thing ${i} ${'n'.repeat(300 - `Thing ${i} `.length)}</h3><p>5.00 EUR</p>`)
      .join('');
    const { products } = await extract({ head, body }, noModel);
    expect(products).toHaveLength(200);
    for (const { name, sku, mpn, brand, description, images } of products)
      expect([name, sku, mpn, brand, description, images].map((value) => value?.length)).toEqual([
        300, 200, 200, 200, 5_000, 10,
      ]);
  });

  it('adds limited metadata to the prompt', async () => {
    const long = (letter: string) => `${letter} `.repeat(500_000);
    const { prompts } = await extract(
      {
        lang: long('q'),
        head: `<title>${long('t')}</title><meta property="og:title" content="${long('o')}"><link rel="canonical" href="/${'c'.repeat(500_000)}">`,
        body: '<h1>Pan</h1><p>$5.00</p>',
      },
      () => ({ products: [claim({ name: 'Pan', price: 5, currency: 'USD' })] }),
    );
    expect(prompts[0]?.length).toBeLessThan(3_000);
    expect(prompts[0]).toContain('$5.00');
  });
});
