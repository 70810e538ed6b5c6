import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { idAfter, isId, newId } from '../src/index.ts';

describe('idAfter', () => {
  it('depends on id and text only, and sorts after the id', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        const id = newId();
        const after = idAfter(id, a);
        expect(isId(after)).toBe(true);
        expect(after > id).toBe(true);
        expect(idAfter(id, a)).toBe(after);
        expect(idAfter(id, b) === after).toBe(a === b);
      }),
    );
  });
});
