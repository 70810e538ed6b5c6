/** Passwords at rest: argon2id with OWASP's parameters. */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { hash, verify } from '@node-rs/argon2';
import pLimit from 'p-limit';
import { TallyError } from './errors.ts';

// OWASP Password Storage Cheat Sheet: argon2id (the library's default variant), 19 MiB, 2 iterations, 1 lane.
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

// Each takes a core for some hundredths of a second: half of the cores are left to other requests.
const inTurn = pLimit(Math.max(1, Math.floor(availableParallelism() / 2)));
const maxWaiting = 200;

function hashing<T>(work: () => Promise<T>): Promise<T> {
  if (inTurn.pendingCount < maxWaiting) return inTurn(work);
  throw new TallyError('unavailable', 'Too many passwords are being checked', { retryAfterMs: 2_000 });
}

/**
 * The form in which passwords are hashed (NFKC, as NIST SP 800-63B recommends): systems send the same characters in
 * different Unicode forms. It may be longer or shorter than what was typed; length limits apply to it.
 */
const normalized = (password: string): string => password.normalize('NFKC');

/**
 * A PHC string that holds the variant, the parameters, a salt of its own, and the hash.
 * @throws TallyError `unavailable` where too many wait for theirs
 */
export const hashPassword = async (password: string): Promise<string> =>
  hashing(() => hash(normalized(password), parameters));

/**
 * Whether `password` is the one behind a stored hash; hashes of passwords as typed, from before NFKC, still match.
 * @throws TallyError `unavailable` where too many wait for theirs
 */
export async function isPassword(stored: string, password: string): Promise<boolean> {
  const form = normalized(password);
  return hashing(async () => (await verify(stored, form)) || (form !== password && (await verify(stored, password))));
}

/** The hash of a password that nobody knows. */
export const hashUnknownPassword = (): Promise<string> => hashPassword(randomBytes(32).toString('hex'));
