import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seal, unseal } from '../src/index.ts';

const key = 'ab'.repeat(32);

describe('a sealed text', () => {
  it('opens with its key and its place, and shows nothing of itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 4 }), fc.string(), (text, place) => {
        const sealed = seal([key], place, text);
        expect(unseal([key], place, sealed)).toBe(text);
        expect(sealed).not.toContain(text);
        expect(seal([key], place, text)).not.toBe(sealed);
      }),
    );
  });

  it('opens with no other key, in no other place, and not when it was changed', () => {
    const sealed = seal([key], 'instagram:1', 'token');
    expect(() => unseal(['cd'.repeat(32)], 'instagram:1', sealed)).toThrow(/another ENCRYPTION_KEY/);
    expect(() => unseal([key], 'instagram:2', sealed)).toThrow();
    expect(() => unseal([key], 'instagram:1', `${sealed.slice(0, -3)}AAA`)).toThrow();
    expect(() => unseal([key], 'instagram:1', 'token')).toThrow();
  });
});
