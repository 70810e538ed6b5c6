/** Passwords at rest: argon2id with OWASP's parameters. */
import { randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';

// OWASP Password Storage Cheat Sheet: argon2id (the library's default variant), 19 MiB, 2 iterations, 1 lane.
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/**
 * The form in which passwords are compared (NFKC, NIST SP 800-63B 3.1.1.2): systems send the same characters in different
 * Unicode forms. It may be longer or shorter than what was typed: limits are those of this form.
 */
const normalized = (password: string): string => password.normalize('NFKC');

/** A PHC string that holds the variant, the parameters, a salt of its own, and the hash. */
export const hashPassword = (password: string): Promise<string> => hash(normalized(password), parameters);

/** Whether `password` is the one behind a stored hash; one that was made of the password as typed still counts. */
export async function isPassword(stored: string, password: string): Promise<boolean> {
  const form = normalized(password);
  return (await verify(stored, form)) || (form !== password && (await verify(stored, password)));
}

/** The hash of a password that nobody knows. */
export const hashUnknownPassword = (): Promise<string> => hashPassword(randomBytes(32).toString('hex'));
