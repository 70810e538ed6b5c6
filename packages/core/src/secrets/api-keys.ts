/** Hashes API keys for storage with SHA-256, and compares secrets in constant time. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** Prefix of every API key; it distinguishes a key from a bearer token. */
export const apiKeyPrefix = 'tally_';

/** The public API key of demo@example.com. It exists only with the demo data, never in production. */
export const demoApiKey = `${apiKeyPrefix}demo`;

// A key has 256 random bits, so a slow hash would add no security.
export const hashApiKey = (key: string): Buffer => createHash('sha256').update(key).digest();

/** Digests have equal lengths, and don't reveal at which character the two differ. */
export const isSameSecret = (given: string, expected: string): boolean =>
  timingSafeEqual(createHash('sha256').update(given).digest(), createHash('sha256').update(expected).digest());
