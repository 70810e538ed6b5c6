import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutPassages, toDocumentTerms, toQuery } from '../src/search-terms.ts';

/** Paragraphs in several scripts, with some words and paragraphs that are too long for a passage. */
const texts = fc
  .array(
    fc.array(
      fc.oneof(
        { weight: 20, arbitrary: fc.stringMatching(/^[a-wA-Zäéا-ی가-힣😀,;]{1,12}[.!?]?$/u) },
        { weight: 1, arbitrary: fc.integer({ min: 880, max: 2_000 }).map((length) => 'x'.repeat(length)) },
      ),
      { maxLength: 250 },
    ),
    { maxLength: 6 },
  )
  .map((paragraphs) => paragraphs.map((words) => words.join(' ')).join('\n\n'));

const withoutSpace = (text: string) => text.replace(/\s+/gu, '');

describe('cutting a text into passages', () => {
  it('keeps every letter in order, in passages of 1 to 900 characters', () => {
    fc.assert(
      fc.property(fc.oneof(texts, fc.string({ unit: 'grapheme', maxLength: 3_000 })), (text) => {
        const passages = cutPassages(text);
        expect(withoutSpace(passages.join(''))).toBe(withoutSpace(text));
        for (const passage of passages) {
          expect(passage.trim()).not.toBe('');
          expect([...passage].length).toBeLessThanOrEqual(900);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('never joins two words into one', () => {
    const wordsOf = (text: string) => text.split(/\s+/u).filter((word) => word !== '');
    fc.assert(
      fc.property(texts, (text) => {
        const words = wordsOf(text);
        // In a sentence longer than a passage a word may be cut; its rest is then the next piece.
        let rest = '';
        for (const piece of cutPassages(text).flatMap(wordsOf)) {
          if (rest === '') rest = words.shift() ?? '';
          if (!rest.startsWith(piece)) expect.fail(`${rest} does not begin with ${piece}`);
          rest = rest.slice(piece.length);
        }
        expect([rest, ...words]).toEqual(['']);
      }),
      { numRuns: 300 },
    );
  });

  it('cuts between paragraphs where possible', () => {
    const paragraph = (letter: string) => `${letter.repeat(5)} `.repeat(80).trim();
    expect(cutPassages([paragraph('a'), paragraph('b'), paragraph('c')].join('\n\n'))).toEqual([
      paragraph('a'),
      paragraph('b'),
      paragraph('c'),
    ]);
  });

  it('cuts between sentences where a paragraph is too long', () => {
    const sentence = `${'Word '.repeat(60).trim()}. `;
    for (const passage of cutPassages(sentence.repeat(10))) expect(passage).toMatch(/^Word.*\.$/su);
  });
});

describe('the terms of a text', () => {
  const plain = (text: string) => toDocumentTerms(text).plain;

  it('are the same for all spellings in Persian and Arabic', () => {
    expect(plain('كتابي')).toBe(plain('کتابی'));
    expect(plain('موسى')).toBe(plain('موسی'));
    expect(plain('مُحَمَّد')).toBe(plain('محمد'));
    expect(plain('ســـلام')).toBe(plain('سلام'));
    expect(plain('کتاب‌ها')).toBe(plain('کتاب ها'));
    expect(plain('کتابها')).toBe(plain('کتاب'));
    expect(plain('خانهٔ')).toBe(plain('خانه'));
    expect(plain('أحمد')).toBe(plain('احمد'));
  });

  it('include numbers in ASCII digits', () => {
    expect(toDocumentTerms('۱۲۳ ٤٥٦ 789 １０').stemmed).toBe('123 456 789 10');
  });

  it('keep the vowel signs of scripts that write them as marks', () => {
    expect(plain('हिन्दी')).toBe('हिन्दी');
    expect(plain('ที่')).toBe('ที่');
    expect(toDocumentTerms('İstanbul').stemmed).toBe(toDocumentTerms('istanbul').stemmed);
  });

  it('are found in languages without spaces', () => {
    const terms = plain('東京都の天気はどうですか').split(' ');
    expect(terms).toContain('天気');
    expect(toQuery('天気').plain).toBe(`'天気'`);
  });

  it('make no query of stop words and punctuation', () => {
    expect(toQuery('آیا این چه ؟')).toEqual({ stemmed: '', plain: '' });
    expect(toQuery(`?! ' | & :* \\`)).toEqual({ stemmed: '', plain: '' });
  });

  it('always make a query that Postgres can parse', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        for (const query of Object.values(toQuery(text)))
          expect(query).toMatch(/^$|^'[\p{L}\p{N}\p{M}]+'( \| '[\p{L}\p{N}\p{M}]+')*$/u);
      }),
    );
  });
});
