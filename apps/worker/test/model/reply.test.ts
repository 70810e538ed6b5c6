/** Reading the answer from the forms in which servers send it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readJson, textOf, wholeSentences } from '../../src/model/reply.ts';

describe('text of an answer', () => {
  const forms: [string, unknown, string | null][] = [
    ['a string', 'The lamp costs 49.90.', 'The lamp costs 49.90.'],
    [
      'a list of parts',
      [
        { type: 'text', text: 'The lamp ' },
        { type: 'text', text: 'costs 49.90.' },
      ],
      'The lamp costs 49.90.',
    ],
    [
      'a thinking part and a text part',
      [
        { type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] },
        { type: 'text', text: 'Yes.' },
      ],
      'Yes.',
    ],
    ['a part’s text as an object', [{ type: 'text', text: { value: 'Yes.' } }], 'Yes.'],
    ['parts without text', [null, 7, { type: 'text' }], ''],
    ['null', null, null],
    ['an object with a text field', { text: 'Yes.' }, 'Yes.'],
    ['an object', { answer: 1 }, null],
    ['a number', 4_990, null],
    ['a think block', '<think>They ask for the price.</think>\n\n49.90.', '49.90.'],
    ['a think block in upper case', '<THINK>x</THINK>49.90.', '49.90.'],
    ['an unclosed think block', '<think>They ask for', ''],
    ['a think block whose opening tag is in the prompt', 'They ask for it.\n</think>\n49.90.', '49.90.'],
    ['a nested think block', '<think>a<think>b</think>c</think>49.90.', '49.90.'],
    ['a think block in the middle', 'Yes. <think>hm</think>It does.', 'Yes. It does.'],
    ['letters that get longer in lower case before a block', 'İİİİİİ <think>hm</think>Evet.', 'İİİİİİ Evet.'],
  ];
  it.each(forms)('is read from %s', (_, content, text) => {
    expect(textOf(content, false)).toBe(text);
  });

  it('keeps reasoning tags inside JSON strings', () => {
    const json = '{"prompt":"Put your thoughts between <think> and </think>, never <reasoning>."}';
    expect(textOf(json, true)).toBe(json);
    expect(textOf(`<think>hm</think>\n${'{"a":1}'}`, true)).toBe('{"a":1}');
    expect(textOf({ a: 1 }, true)).toBe('{"a":1}');
  });

  it('takes linear time for many tags', () => {
    const text = '<think>'.repeat(100_000);
    expect(textOf(text, false)).toBe('');
  });
});

describe('readJson', () => {
  const json = '{"pairs":[{"question":"How much?","answer":"129 EUR"}]}';
  it.each([
    ['alone', json],
    ['in a code block', `\`\`\`json\n${json}\n\`\`\``],
    ['in a code block without a language', `\`\`\`\n${json}\n\`\`\``],
    ['after a sentence', `Here are the pairs:\n${json}`],
    ['before a sentence', `${json}\nI hope this helps!`],
    ['with a BOM', `\ufeff${json}`],
    ['surrounded by white space', `\n\n ${json} \n`],
  ])('parses JSON %s', (_, text) => {
    expect(readJson(text)).toEqual(JSON.parse(json));
  });

  it.each(['', 'Sorry, no.', json.slice(0, -12), '```json\n{"a":\n```', '{{{'])('returns undefined for %j', (text) => {
    expect(readJson(text)).toBeUndefined();
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void readJson(text)));
  });
});

describe('cut-off answer', () => {
  it.each([
    ['English', 'You have 30 days. But only if', 'You have 30 days.'],
    ['a quotation', 'She said “Yes.” Then she', 'She said “Yes.”'],
    ['Chinese', '灯的价格是129欧元。保修期为', '灯的价格是129欧元。'],
    ['Japanese', '返品は可能です！ただし', '返品は可能です！'],
    ['Persian', 'بله، موجود است؟ قیمت آن', 'بله، موجود است؟'],
    ['Urdu', 'یہ دستیاب ہے۔ اس کی', 'یہ دستیاب ہے۔'],
    ['Hindi', 'यह उपलब्ध है। इसकी', 'यह उपलब्ध है।'],
    ['Armenian', 'Այո, առկա է։ Գինը', 'Այո, առկա է։'],
    ['a price in the middle', 'It ships at once. The lamp costs 49.', 'It ships at once.'],
    ['an address in the middle', 'It ships at once. See https://lamps.', 'It ships at once.'],
    ['a list', 'Two steps.\n1. Open it.\n2. Put', 'Two steps.\n1. Open it.'],
    ['a whole sentence', 'It ships at once. ', 'It ships at once.'],
    ['Arabic', 'هل تريده؟ السعر', 'هل تريده؟'],
    ['an empty text', '', ''],
    ['no whole sentence', 'You can return the lamp within 30 days, but', ''],
  ])('is trimmed to its last whole sentence: %s', (_, text, whole) => {
    expect(wholeSentences(text)).toBe(whole);
  });

  it('is always trimmed to a prefix of the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(text.trim().startsWith(wholeSentences(text))).toBe(true);
      }),
    );
  });
});
