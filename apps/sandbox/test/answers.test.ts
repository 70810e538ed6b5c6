import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Settings } from '../src/settings.ts';
import { model, useSandbox } from './fixture.ts';

const { ask, client, sandbox } = useSandbox();

const context = `Context:
[1] Returns
You may return unworn shoes within 30 days. Sale items are final.
[2] Delivery
Shipping to Canada costs $12 and takes 5 days. Orders inside Iran arrive in 2 days.
[3] Opening hours
The shop opens at 9 and closes at 18.`;

const persian = `<context>
[1] مرجوعی
کتاب‌ها را تا ۷ روز می‌توان پس داد. کالای حراج پس گرفته نمی‌شود.
[2] ارسال
هزینهٔ ارسال به شیراز ۵۰ هزار تومان است.
</context>`;

async function answerTo(question: string, knowledge: string): Promise<string> {
  const messages = [
    { role: 'system', content: `Answer from the context only.\n${knowledge}` },
    { role: 'user', content: question },
  ] as const;
  const { choices } = await client().chat.completions.create({ model, messages: [...messages] });
  return choices[0]?.message.content ?? '';
}

describe('a question with a context', () => {
  test.each([
    ['How much does it cost to ship to Canada?', 'Shipping to Canada costs $12 and takes 5 days. [2]'],
    ['Can I return a shoe?', 'You may return unworn shoes within 30 days. [1]'],
    ['When does the shop close?', 'The shop opens at 9 and closes at 18. [3]'],
  ])('is answered with the sentence that fits: %s', async (question, answer) => {
    expect(await answerTo(question, context)).toBe(answer);
  });

  test.each([
    ['كتاب را تا چند روز مي‌توانم پس بدهم؟', '[1]'],
    ['هزینه ارسال به شیراز چقدر است؟', '[2]'],
  ])('is answered in Persian, however it is typed: %s', async (question, marker) => {
    expect(await answerTo(question, persian)).toContain(marker);
  });

  test('is answered from the title where only that has the word', async () => {
    expect(await answerTo('What are your opening times?', '<context>\n[4] Opening hours\n9 to 18.\n</context>')).toBe(
      '9 to 18. [4]',
    );
  });

  test('is found in the message that asks, too', async () => {
    const { choices } = await ask(`${context}\n\nQuestion: What is the cost of shipping to Canada?`);
    expect(choices[0]?.message.content).toContain('[2]');
  });

  test.each([
    ['Who won the World Cup in 1998?', context, "I don't know: the knowledge I was given does not say."],
    ['What is it?', context, "I don't know: the knowledge I was given does not say."],
    ['پایتخت فرانسه کجاست؟', persian, 'نمی‌دانم: در دانشی که دارم پاسخی نیست.'],
    ['Do you sell hats?', '<context>\n</context>', "I don't know: the knowledge I was given does not say."],
  ])('is not answered where the context does not say: %s', async (question, knowledge, answer) => {
    expect(await answerTo(question, knowledge)).toBe(answer);
  });
});

describe('a JSON answer', () => {
  const Reply = z.strictObject({ answer: z.string(), known: z.boolean(), sources: z.array(z.int()) });

  async function fill(schema: z.ZodType, question: string, knowledge = context): Promise<unknown> {
    const { choices } = await ask('', {
      messages: [
        { role: 'system', content: knowledge },
        { role: 'user', content: question },
      ],
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'reply', strict: true, schema: z.toJSONSchema(schema) },
      },
    });
    return schema.parse(JSON.parse(choices[0]?.message.content ?? ''));
  }

  test('carries the answer, whether it is known, and its sources', async () => {
    expect(await fill(Reply, 'Can I return a shoe?')).toEqual({
      answer: 'You may return unworn shoes within 30 days. [1]',
      known: true,
      sources: [1],
    });
  });

  test('says so where nothing is known', async () => {
    expect(await fill(Reply, 'Who won the World Cup?')).toEqual({
      answer: "I don't know: the knowledge I was given does not say.",
      known: false,
      sources: [],
    });
  });

  test('leaves out what may be null where nothing is known', async () => {
    const Nullable = z.strictObject({ answer: z.string().nullable(), price: z.number().nullable() });
    expect(await fill(Nullable, 'Who won the World Cup?')).toEqual({ answer: null, price: null });
    expect(await fill(Nullable, 'Can I return a shoe?')).toMatchObject({ answer: expect.stringContaining('30 days') });
  });

  test('is valid against a schema with everything in it', async () => {
    const Tree = z.strictObject({
      name: z.string(),
      get children() {
        return z.array(Tree);
      },
      get parent() {
        return Tree.nullable();
      },
    });
    const Everything = z.strictObject({
      kind: z.enum(['red', 'blue']),
      one: z.literal('one'),
      rating: z.int().min(1).max(5),
      below: z.number().max(-3),
      step: z.number().multipleOf(5).min(7),
      short: z.string().max(10),
      long: z.string().min(200),
      pairs: z.array(z.strictObject({ question: z.string(), answer: z.string() })).min(2),
      empty: z.array(z.string()),
      either: z.union([z.string(), z.number()]),
      when: z.iso.date(),
      link: z.string().meta({ format: 'uri' }),
      citations: z.array(z.int()),
      tree: Tree,
      free: z.record(z.string(), z.string()),
    });
    expect(await fill(Everything, 'Can I return a shoe?')).toMatchObject({
      kind: 'red',
      one: 'one',
      rating: 1,
      step: 10,
      empty: [],
      citations: [1],
      tree: { children: [] },
    });
    await fill(Everything, 'Who won the World Cup?');
  });

  test('comes to an end where the schema has none', async () => {
    const twice = { left: { $ref: '#' }, right: { $ref: '#' } };
    const schema = { type: 'object', properties: { ...twice, list: { type: 'array', minItems: 1e9 } } };
    const { choices } = await ask('Hello?', {
      response_format: { type: 'json_schema', json_schema: { name: 'endless', schema } },
    });
    expect(JSON.parse(choices[0]?.message.content ?? '')).toHaveProperty('left');
  });

  test('is cut like any other when it is too long', async () => {
    const { choices } = await ask('Hello?', {
      max_completion_tokens: 3,
      response_format: { type: 'json_schema', json_schema: { name: 'reply', schema: z.toJSONSchema(Reply) } },
    });
    expect(choices[0]?.finish_reason).toBe('length');
    expect(() => JSON.parse(choices[0]?.message.content ?? '')).toThrow();
  });

  test('has the size that the settings fix and stays valid', async () => {
    for (let tokens = 30; tokens < 400; tokens = Math.ceil(tokens * 1.1)) {
      sandbox.settings.current = Settings.parse({ output_tokens: tokens });
      const { choices, usage } = await ask('Hello?', {
        response_format: { type: 'json_schema', json_schema: { name: 'reply', schema: z.toJSONSchema(Reply) } },
      });
      expect(usage?.completion_tokens).toBe(tokens);
      Reply.parse(JSON.parse(choices[0]?.message.content ?? ''));
    }
  });

  test('without a schema is an object with the answer', async () => {
    const { choices } = await ask('Hello?', { response_format: { type: 'json_object' } });
    expect(JSON.parse(choices[0]?.message.content ?? '')).toEqual({ answer: expect.stringContaining('Hello?') });
  });
});
