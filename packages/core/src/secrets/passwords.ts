/** Hashes and verifies passwords: argon2id with OWASP's parameters. */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { hash, verify } from '@node-rs/argon2';
import pLimit from 'p-limit';
import { TallyError } from '../errors.ts';

// OWASP Password Storage Cheat Sheet: argon2id (the library's default variant), 19 MiB, 2 iterations, 1 lane.
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

// A hash occupies a core for some hundredths of a second; half of the cores stay free for other requests.
const limited = pLimit(Math.max(1, Math.floor(availableParallelism() / 2)));
const maxWaiting = 200;

function hashing<T>(work: () => Promise<T>): Promise<T> {
  if (limited.pendingCount < maxWaiting) return limited(work);
  throw new TallyError('unavailable', 'Too many passwords are being checked', { retryAfterMs: 2_000 });
}

/**
 * The form in which passwords are hashed (NFKC, as NIST SP 800-63B recommends), because systems send the same
 * characters in different Unicode forms. Length limits apply to this form, whose length may differ from the typed one.
 */
const normalized = (password: string): string => password.normalize('NFKC');

/**
 * A PHC string with the variant, the parameters, a random salt and the hash.
 * @throws TallyError `unavailable` where too many hashes are pending
 */
export const hashPassword = async (password: string): Promise<string> =>
  hashing(() => hash(normalized(password), parameters));

/**
 * Whether `password` matches a stored hash. Hashes from before NFKC, of the password as typed, still match.
 * @throws TallyError `unavailable` where too many hashes are pending
 */
export async function isPassword(stored: string, password: string): Promise<boolean> {
  const form = normalized(password);
  return hashing(async () => (await verify(stored, form)) || (form !== password && (await verify(stored, password))));
}

/** The hash of a random password, for an account without one. */
export const hashUnknownPassword = (): Promise<string> => hashPassword(randomBytes(32).toString('hex'));
