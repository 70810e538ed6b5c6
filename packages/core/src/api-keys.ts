/** API keys at rest: the SHA-256 of the key. */
import { createHash } from 'node:crypto';

/** What every key begins with, by which it is told from a bearer token. */
export const apiKeyPrefix = 'tally_';

/** The key of demo@example.com, as public as its password: made with the demo data, and never in production. */
export const demoApiKey = `${apiKeyPrefix}demo`;

// A key has 256 random bits: a fast hash is as good as a slow one.
export const hashApiKey = (key: string): Buffer => createHash('sha256').update(key).digest();
