import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classifyAnswer } from '../src/instagram/graph-errors.ts';
import { cutReply, maxMessageBytes } from '../src/instagram/text.ts';

const graphemes = (text: string) =>
  [...new Intl.Segmenter('und', { granularity: 'grapheme' }).segment(text)].map((g) => g.segment);

describe('cutReply', () => {
  it('cuts at 1,000 bytes between graphemes, and only if needed', () => {
    const piece = fc.constantFrom(
      'سلام ',
      'قیمت\u200cها ',
      '南部鉄器',
      '👩‍👩‍👧‍👦',
      '🇮🇷',
      'é',
      'e\u0301',
      'İstanbul ',
      'word ',
      '\n',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string({ unit: 'binary' })), { maxLength: 400 }), (pieces) => {
        const whole = pieces.join('').replaceAll('\0', '').toWellFormed().trim();
        const cut = cutReply(whole);
        expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(maxMessageBytes);
        expect(cut.isWellFormed()).toBe(true);
        if (Buffer.byteLength(whole) <= maxMessageBytes) {
          expect(cut).toBe(whole);
          return;
        }
        const kept = cut.slice(0, -1);
        expect(whole.startsWith(kept)).toBe(true);
        expect(graphemes(whole).slice(0, graphemes(kept).length).join('')).toBe(kept);
      }),
    );
  });

  it('keeps a single huge grapheme within the limit', () => {
    expect(Buffer.byteLength(cutReply(`a${'\u0301'.repeat(5_000)}`))).toBeLessThanOrEqual(maxMessageBytes);
  });
});

describe('classifyAnswer', () => {
  it.each([
    { code: 4, subcode: undefined },
    { code: 17, subcode: undefined },
    { code: 32, subcode: undefined },
    { code: 613, subcode: 2534040 },
    { code: 80002, subcode: undefined },
  ])('returns slow_down for code $code', (answer) => {
    expect(classifyAnswer({ status: 400, ...answer })).toBe('slow_down');
  });
  it.each([
    { status: 429, code: undefined, subcode: undefined, is: 'slow_down' },
    { status: 500, code: 1, subcode: undefined, is: 'uncertain' },
    { status: 500, code: 2, subcode: undefined, is: 'uncertain' },
    { status: 503, code: undefined, subcode: undefined, is: 'uncertain' },
    { status: 200, code: undefined, subcode: undefined, is: 'uncertain' },
    { status: 400, code: 10, subcode: 2018278, is: 'window_closed' },
    { status: 400, code: 200, subcode: 1545041, is: 'window_closed' },
    { status: 400, code: 100, subcode: 2018001, is: 'window_closed' },
    { status: 400, code: 100, subcode: 2534014, is: 'window_closed' },
    { status: 400, code: 10, subcode: undefined, is: 'needs_login' },
    { status: 400, code: 10, subcode: 1893063, is: 'needs_login' },
    { status: 400, code: 200, subcode: 42, is: 'needs_login' },
    { status: 400, code: 100, subcode: 2534029, is: 'needs_login' },
    { status: 400, code: 2018300, subcode: undefined, is: 'not_ours' },
    { status: 400, code: 100, subcode: 33, is: 'our_bug' },
    { status: 404, code: undefined, subcode: undefined, is: 'our_bug' },
  ])('returns $is for $status $code/$subcode', ({ is, ...answer }) => {
    expect(classifyAnswer(answer)).toBe(is);
  });
});
