import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retryAfterMs } from '../../src/model/retry-after.ts';

const now = Date.parse('2026-11-22T12:00:00Z');
const read = (headers: Record<string, string>) => retryAfterMs(new Headers(headers), now);

describe('Retry-After', () => {
  it('is read as milliseconds, seconds or a date', () => {
    expect(read({ 'retry-after-ms': '1500', 'retry-after': '9' })).toBe(1_500);
    expect(read({ 'retry-after': '2' })).toBe(2_000);
    expect(read({ 'retry-after': '0.5' })).toBe(500);
    expect(read({ 'retry-after': 'Sun, 22 Nov 2026 12:00:30 GMT' })).toBe(30_000);
    expect(read({ 'retry-after': 'Sun, 22 Nov 2026 11:00:00 GMT' })).toBe(0);
  });

  it('is undefined if it is missing or unreadable', () => {
    expect(read({})).toBeUndefined();
    expect(read({ 'retry-after': 'soon' })).toBeUndefined();
  });

  it('is never negative nor more than an hour', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\x21-\x7e]{0,30}$/), (value) => {
        const ms = read({ 'retry-after': value });
        expect(ms === undefined || (ms >= 0 && ms <= 3_600_000)).toBe(true);
      }),
    );
  });
});
