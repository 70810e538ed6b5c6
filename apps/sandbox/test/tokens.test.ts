import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { expect, test } from 'vitest';
import { countPromptTokens, countTokens, cutToTokens } from '../src/model/tokens.ts';

const asText = { allowedSpecial: new Set<string>(), disallowedSpecial: new Set<string>() };

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
  const text = `${'سلام کتاب '.repeat(20)}${'🫠𓀀a b'.repeat(40)} ${'x'.repeat(600)}`;
  for (let tokens = 0; tokens < 300; tokens += 7) {
    const cut = cutToTokens(text, tokens);
    expect(text.startsWith(cut)).toBe(true);
    expect(countTokens(cut)).toBeLessThanOrEqual(tokens);
  }
});
