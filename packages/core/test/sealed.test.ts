import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seal, unseal } from '../src/index.ts';

const key = 'ab'.repeat(32);

describe('seal', () => {
  it('unseals with the same key and context, and hides the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 4 }), fc.string(), (text, context) => {
        const sealed = seal([key], context, text);
        expect(unseal([key], context, sealed)).toBe(text);
        expect(sealed).not.toContain(text);
        expect(seal([key], context, text)).not.toBe(sealed);
      }),
    );
  });

  it('rejects another key, another context and a modified text', () => {
    const sealed = seal([key], 'instagram:1', 'token');
    expect(() => unseal(['cd'.repeat(32)], 'instagram:1', sealed)).toThrow(/another ENCRYPTION_KEY/);
    expect(() => unseal([key], 'instagram:2', sealed)).toThrow();
    expect(() => unseal([key], 'instagram:1', `${sealed.slice(0, -3)}AAA`)).toThrow();
    expect(() => unseal([key], 'instagram:1', 'token')).toThrow();
  });
});
