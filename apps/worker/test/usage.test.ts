import fc from 'fast-check';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import { countInputTokens, readUsage } from '../src/usage.ts';

const frame = 7;
const count = (content: string) => countInputTokens([{ role: 'user', content }]) - frame;

describe('counting input tokens', () => {
  it('gives what the tokenizer gives for the whole text, whatever lines it has', () => {
    const line = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.constantFrom('\n', '\n\n', ' \n', '/path\n', '.\n', '\t', '۱۲۳\n', 'چراغ\n', '日本語\n', "it's\n", '  '),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const text = lines.join('');
        expect(count(text)).toBe(countTokens(text, { disallowedSpecial: new Set(), allowedSpecial: new Set() }));
      }),
      { numRuns: 2_000 },
    );
  });

  it('never counts fewer tokens for cutting a text without a space into pieces', () => {
    const text = 'ا'.repeat(2_000);
    expect(count(text)).toBeGreaterThanOrEqual(countTokens(text));
  });
});

describe('reading usage', () => {
  it('never believes what is no count of tokens, and never throws', () => {
    fc.assert(
      fc.property(fc.anything(), (reported) => {
        const usage = readUsage(reported, 10, 'two words');
        for (const tokens of [usage.inputTokens, usage.outputTokens, usage.cachedInputTokens, usage.reasoningTokens])
          expect(Number.isSafeInteger(tokens) && tokens >= 0).toBe(true);
      }),
    );
  });

  it('keeps the numbers of what it doesn’t believe, and no words', () => {
    const reported = { prompt_tokens: '12', completion_tokens: -3.5, details: ['You asked: who is Anna?'] };
    const refusedUsage = { prompt_tokens: '12', completion_tokens: -3.5, details: ['…'] };
    expect(readUsage(reported, 10, 'two words')).toMatchObject({ evidence: 'estimated', refusedUsage });
  });
});
