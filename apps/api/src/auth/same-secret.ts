/** Compares secrets in constant time. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** Digests have equal lengths, and don't reveal at which character the two differ. */
export const isSameSecret = (given: string, expected: string): boolean =>
  timingSafeEqual(createHash('sha256').update(given).digest(), createHash('sha256').update(expected).digest());
