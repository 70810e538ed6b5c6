/** Passwords at rest: argon2id with OWASP's parameters. */
import { randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';

// OWASP Password Storage Cheat Sheet: argon2id (the library's default variant), 19 MiB, 2 iterations, 1 lane.
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** A PHC string that holds the variant, the parameters, a salt of its own, and the hash. */
export const hashPassword = (password: string): Promise<string> => hash(password, parameters);

/** Whether `password` is the one behind a stored hash. */
export const isPassword = (stored: string, password: string): Promise<boolean> => verify(stored, password);

/** The hash of a password that nobody knows. */
export const hashUnknownPassword = (): Promise<string> => hashPassword(randomBytes(32).toString('hex'));
