/** The stand-in's answers: that they come from the prompt and fit their schema. What they are worth is no concern. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Settings } from '../src/settings.ts';
import { useSandbox } from './fixture.ts';

const { ask, sandbox } = useSandbox();

const passages = `<material>
[1] Returns
You may return unworn shoes within 30 days. Sale items are final.
[2] Delivery
It costs $12 to Canada and takes 5 days. Orders inside Iran arrive in 2 days.
[3] مرجوعی
کتاب‌ها را تا ۷ روز می‌توان پس داد.
[4] 送料
北海道への配送は千円です。
</material>`;

async function say(system: string, ...turns: string[]): Promise<string> {
  const messages = turns.map((content, turn) => ({
    role: turn % 2 ? ('assistant' as const) : ('user' as const),
    content,
  }));
  const { choices } = await ask('', { messages: [{ role: 'system', content: system }, ...messages] });
  return choices[0]?.message.content ?? '';
}

async function fill<T>(schema: z.ZodType<T>, user: string, system = 'Answer in JSON.'): Promise<T> {
  const { choices } = await ask('', {
    messages: [
      { role: 'system', content: system },
      { role: 'user', content: user },
    ],
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'any', strict: true, schema: z.toJSONSchema(schema) },
    },
  });
  return schema.parse(JSON.parse(choices[0]?.message.content ?? ''));
}

describe('plumbing: a question', () => {
  test.each([
    ['Can I return a shoe?', 'You may return unworn shoes within 30 days. [1]'],
    ['How much is delivery to Canada?', 'It costs $12 to Canada and takes 5 days. [2]'],
    ['كتاب را تا چند روز مي‌توان پس داد؟', 'کتاب‌ها را تا ۷ روز می‌توان پس داد. [3]'],
    ['北海道への配送はいくらですか？', '北海道への配送は千円です。 [4]'],
  ])('is answered by a sentence of the material, with its source: %s', async (question, answer) => {
    expect(await say(`Cite passages as [1].\n${passages}`, question)).toBe(answer);
  });

  test('is answered without a source where the instructions show no marker', async () => {
    expect(await say(passages, 'Can I return a shoe?')).toBe('You may return unworn shoes within 30 days.');
  });

  test('that goes on is understood from the turn before', async () => {
    const said = await say(passages, 'Do you deliver to Canada?', 'Yes.', 'And the price?');
    expect(said).toBe('It costs $12 to Canada and takes 5 days.');
  });

  test.each([
    ['a material', passages],
    ['an empty passage', '<material>\n(nothing)\n</material>'],
    ['instructions alone', 'You are a helpful assistant.'],
  ])('that is not answered by %s is told so', async (_, system) => {
    expect(await say(system, 'Who won the World Cup in 1998?')).toContain('does not say');
  });

  test('that is a greeting is greeted', async () => {
    expect(await say(passages, 'Hi there')).toBe('Hello! How can I help you?');
  });

  test('without any material is repeated', async () => {
    expect((await ask('Hello?')).choices[0]?.message.content).toContain('You said: "Hello?"');
  });
});

describe('plumbing: a JSON answer', () => {
  const Reply = z.strictObject({ answer: z.string(), known: z.boolean(), sources: z.array(z.int()) });

  test('carries the answer, whether it is known, and its sources', async () => {
    expect(await fill(Reply, 'Can I return a shoe?', passages)).toEqual({
      answer: 'You may return unworn shoes within 30 days.',
      known: true,
      sources: [1],
    });
    expect(await fill(Reply, 'Who won the World Cup?', passages)).toMatchObject({ known: false, sources: [] });
  });

  test('fits types, enums, null and bounds', async () => {
    const Everything = z.strictObject({
      kind: z.enum(['red', 'blue']),
      one: z.literal('one'),
      rating: z.int().min(1).max(5),
      below: z.number().max(-3),
      short: z.string().max(10),
      empty: z.array(z.string()),
      either: z.union([z.string(), z.number()]),
      weight: z.number().nullable(),
      inner: z.strictObject({ text: z.string().nullable() }),
    });
    expect(await fill(Everything, 'Hello?')).toMatchObject({ kind: 'red', rating: 1, below: -3, weight: null });
  });

  test('has the size that the settings fix and stays valid', async () => {
    for (let tokens = 30; tokens < 400; tokens = Math.ceil(tokens * 1.2)) {
      sandbox.settings.current = Settings.parse({ output_tokens: tokens });
      await fill(Reply, 'Can I return a shoe?', passages);
      expect(sandbox.book.list().at(-1)?.completion_tokens).toBe(tokens);
    }
  });

  test('without a schema is an object with the answer', async () => {
    const { choices } = await ask('Hello?', { response_format: { type: 'json_object' } });
    expect(JSON.parse(choices[0]?.message.content ?? '')).toEqual({ answer: expect.stringContaining('Hello?') });
  });

  test('makes a prompt of all that is given', async () => {
    const given = '<wishes>\nno discounts\n</wishes>\n<facts>\na lamp workshop\n</facts>';
    expect((await fill(z.object({ prompt: z.string() }), given)).prompt).toMatch(/no discounts[\s\S]*a lamp workshop/);
  });

  test('makes pairs of the sentences of a text, as many as are asked for, and none that exist', async () => {
    const Pairs = z.object({ pairs: z.array(z.object({ question: z.string(), answer: z.string() })) });
    const text = '# Aurora\nIt costs 129 EUR. It is in stock.\nآن پنج سال ضمانت دارد.';
    const request = `At most 2 pairs.\n<existing>\nIs Aurora in stock?\n</existing>\n<text>\n${text}\n</text>`;
    expect((await fill(Pairs, request)).pairs).toEqual([
      { question: 'How much is Aurora?', answer: 'It costs 129 EUR.' },
      { question: 'Aurora: آن پنج سال ضمانت دارد. …?', answer: 'آن پنج سال ضمانت دارد.' },
    ]);
  });
});

describe('plumbing: products', () => {
  const Product = z.strictObject({
    name: z.string(),
    price_text: z.string().nullable(),
    price: z.number().nullable(),
    price_max: z.number().nullable(),
    currency: z.string().nullable(),
    availability: z.enum(['in_stock', 'out_of_stock', 'unknown']),
    brand: z.string().nullable(),
    description: z.string().nullable(),
  });
  const read = async (page: string) =>
    (await fill(z.object({ products: z.array(Product) }), `<page>\n${page}\n</page>`)).products;

  test('are read with what the page says, and null for the rest', async () => {
    const page = `Basket (0) 0,00 €

# Nordlicht

statt ~~1.490,00 €~~

1.234,56 €

inkl. MwSt. oder 12 Monatsraten zu 102,88 €

Auf Lager

Ein Kronleuchter aus gedämpfter Esche mit zwölf Armen.

## Others

### Tide

119,00 €`;
    expect(await read(page)).toEqual([
      {
        name: 'Nordlicht',
        price_text: '1.234,56 €',
        price: 1234.56,
        price_max: null,
        currency: 'EUR',
        availability: 'in_stock',
        brand: null,
        description: 'Ein Kronleuchter aus gedämpfter Esche mit zwölf Armen.',
      },
    ]);
  });

  test.each([
    ['# مهتاب\n۴٬۸۵۰٬۰۰۰ تومان\nناموجود', { price: 4_850_000, currency: null, availability: 'out_of_stock' }],
    ['# 木もれ日\n￥28,600（税込）', { price: 28_600, currency: 'JPY', availability: 'unknown' }],
    ['# Ember\n€34.00 – €52.50\nBrand: Oak', { price: 34, price_max: 52.5, brand: 'Oak' }],
    ['# Kettle\nFree shipping from $80\n$49.90', { price: 49.9, currency: 'USD', price_text: '$49.90' }],
  ])('are read in any digits and signs: %j', async (page, expected) => {
    expect(await read(page)).toMatchObject([expected]);
  });

  test('are each heading of a list that has a price, and none where there is none', async () => {
    const list = await read('# Lamps\n### [Aurora](/a)\n129.00 EUR\n### Halo\n89.50 EUR\n### About us\nWe are six.');
    expect(list.map(({ name, price }) => [name, price])).toEqual([
      ['Aurora', 129],
      ['Halo', 89.5],
    ]);
    expect(await read('# Our story\nWe have made lamps since 1998.')).toEqual([]);
  });
});
