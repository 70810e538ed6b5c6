import fc from 'fast-check';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import { countInputTokens } from '../../src/model/count.ts';
import { readUsage } from '../../src/model/usage.ts';

const frame = 7;
const count = (content: string) => countInputTokens([{ role: 'user', content }]) - frame;

describe('countInputTokens', () => {
  it('equals the tokenizer’s count of the whole text', () => {
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

  it('never undercounts a long text without spaces', () => {
    const text = 'ا'.repeat(2_000);
    expect(count(text)).toBeGreaterThanOrEqual(countTokens(text));
  });
});

describe('readUsage', () => {
  it('returns valid token counts for any input', () => {
    fc.assert(
      fc.property(fc.anything(), (reported) => {
        const usage = readUsage(reported, 10, 'two words');
        for (const tokens of [usage.inputTokens, usage.outputTokens, usage.cachedInputTokens, usage.reasoningTokens])
          expect(Number.isSafeInteger(tokens) && tokens >= 0).toBe(true);
      }),
    );
  });

  it('keeps the numbers of an implausible report, but no text', () => {
    const reported = { prompt_tokens: '12', completion_tokens: -3.5, details: ['You asked: who is Anna?'] };
    const refusedUsage = { prompt_tokens: '12', completion_tokens: -3.5, details: ['…'] };
    expect(readUsage(reported, 10, 'two words')).toMatchObject({ evidence: 'estimated', refusedUsage });
  });

  it('returns the same usage for each provider’s form', () => {
    const count = fc.integer({ min: 0, max: 1_000_000 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), count, count, count, (fresh, cached, text, thoughts) => {
        const input = fresh + cached;
        const total = input + text + thoughts;
        const details = {
          prompt_tokens_details: { cached_tokens: cached },
          completion_tokens_details: { reasoning_tokens: thoughts },
        };
        const within = { prompt_tokens: input, completion_tokens: text + thoughts, total_tokens: total };
        const beside = { prompt_tokens: input, completion_tokens: text, total_tokens: total };
        const forms = {
          openai: { ...within, ...details },
          deepseek: { ...within, ...details, prompt_cache_hit_tokens: cached, prompt_cache_miss_tokens: fresh },
          xai: { ...beside, ...details },
          google: beside,
          ollama: within,
          anthropic: { ...within, prompt_tokens: fresh, cache_read_input_tokens: cached },
        };
        for (const [form, report] of Object.entries(forms)) {
          const usage = readUsage(report, 10, 'two words');
          expect({ form, input: usage.inputTokens, output: usage.outputTokens, evidence: usage.evidence }).toEqual({
            form,
            input,
            output: text + thoughts,
            evidence: 'reported',
          });
        }
        expect(readUsage(forms.xai, 1, '')).toMatchObject({ reasoningTokens: thoughts, cachedInputTokens: cached });
      }),
    );
  });

  it('reads a recorded response of xAI', () => {
    const sent = {
      prompt_tokens: 2_640,
      completion_tokens: 182,
      total_tokens: 3_494,
      prompt_tokens_details: { text_tokens: 2_640, audio_tokens: 0, image_tokens: 0, cached_tokens: 473 },
      completion_tokens_details: { reasoning_tokens: 672, audio_tokens: 0 },
      num_sources_used: 0,
    };
    expect(readUsage(sent, 1, null)).toMatchObject({
      inputTokens: 2_640,
      cachedInputTokens: 473,
      outputTokens: 854,
      reasoningTokens: 672,
    });
  });

  it('rejects a total above any model’s limit', () => {
    const usage = readUsage({ prompt_tokens: 60, completion_tokens: 10, total_tokens: 9_999_999 }, 12, 'two words');
    expect(usage).toMatchObject({ inputTokens: 12, evidence: 'estimated' });
    expect(usage.refusedUsage).toBeDefined();
  });

  it('returns no negative or huge numbers for any mix of fields', () => {
    const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(null, '12', undefined, 1e300, Number.NaN));
    const junk = fc.record(
      {
        prompt_tokens: number,
        completion_tokens: number,
        total_tokens: number,
        prompt_cache_hit_tokens: number,
        cache_read_input_tokens: number,
        cache_creation_input_tokens: number,
        prompt_tokens_details: fc.oneof(fc.anything(), fc.record({ cached_tokens: number })),
        completion_tokens_details: fc.oneof(fc.anything(), fc.record({ reasoning_tokens: number })),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(junk, (reported) => {
        const usage = readUsage(reported, 10, 'two words');
        for (const tokens of [usage.inputTokens, usage.cachedInputTokens, usage.outputTokens, usage.reasoningTokens])
          expect(Number.isSafeInteger(tokens) && tokens >= 0 && tokens <= 10_000_000).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
