/** Hashes API keys for storage: SHA-256 of the key. */
import { createHash } from 'node:crypto';

/** Prefix of every API key; it distinguishes a key from a bearer token. */
export const apiKeyPrefix = 'tally_';

/** The public API key of demo@example.com. It exists only with the demo data, never in production. */
export const demoApiKey = `${apiKeyPrefix}demo`;

// A key has 256 random bits, so a slow hash would add no security.
export const hashApiKey = (key: string): Buffer => createHash('sha256').update(key).digest();
