import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { expect, test } from 'vitest';
import { countPromptTokens, countTokens, cutToTokens } from '../src/model/tokens.ts';

const asText = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };

/** The same letters in every run: Park and Miller's generator. */
function scramble(alphabet: string, chars: number): string {
  const letters = [...alphabet];
  let state = chars;
  return Array.from({ length: chars }, () => {
    state = (state * 48_271) % 2_147_483_647;
    return letters[state % letters.length];
  }).join('');
}

test.each([
  'etaoinshrdlu',
  'ABCdef',
  'سلامدنیاکتب',
  '日本語中文字',
  '😀🫠🏴',
  '!?.,-/',
  ' \n\t',
  'a1 b2\n',
  '\u200c\u00a0 ',
])('a long run of %j has as many tokens as the tokenizer says', (alphabet) => {
  for (const chars of [257, 400, 1_111]) {
    const text = scramble(alphabet, chars);
    expect(countTokens(text)).toBe(encode(text, asText).length);
  }
});

test('a text of one letter is counted in milliseconds', () => {
  countTokens('a'.repeat(300));
  const startedAt = performance.now();
  expect(countTokens('a'.repeat(32_000))).toBe(4_000);
  expect(performance.now() - startedAt).toBeLessThan(400);
});

test('control tokens are ordinary text', () => {
  expect(countTokens('<|endoftext|>')).toBe(encode('<|endoftext|>', asText).length);
});

test('half a surrogate pair can be counted and cut', () => {
  expect(countTokens('ab\ud83d')).toBeGreaterThan(1);
  expect(cutToTokens('ab\ud83d', 1)).toBe('ab');
});

test('a prompt costs its messages, their frames and the start of the answer', () => {
  expect(countPromptTokens([{ role: 'user', content: 'hi' }])).toBe(3 + 1 + 1 + 3);
  expect(countPromptTokens([])).toBe(3);
});

test('a cut text is a start of the text and no longer than asked', () => {
  const text = `${scramble('سلام کتاب', 200)} ${scramble('🫠𓀀a b', 200)} ${'x'.repeat(600)}`;
  for (let tokens = 0; tokens < 300; tokens += 7) {
    const cut = cutToTokens(text, tokens);
    expect(text.startsWith(cut)).toBe(true);
    expect(countTokens(cut)).toBeLessThanOrEqual(tokens);
  }
});
