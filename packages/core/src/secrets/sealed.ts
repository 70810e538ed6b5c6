/** Encrypts stored secrets with AES-256-GCM; the sealed text names its key by id. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;

const keyOf = (hexKey: string): Buffer => Buffer.from(hexKey, 'hex');
/** Keys of 64 hexadecimal digits each: the first one seals, all of them can unseal. */
export type SealKeys = readonly [string, ...string[]];

const keyId = (hexKey: string): string => createHash('sha256').update(keyOf(hexKey)).digest('hex').slice(0, 8);

/**
 * Encrypts `text`. The same `context` (the row it belongs to) is required to decrypt it, so that a sealed text can't be
 * moved to another row.
 */
export function seal([hexKey]: SealKeys, context: string, text: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, keyOf(hexKey), nonce).setAAD(Buffer.from(context));
  const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `v1.${keyId(hexKey)}.${sealed.toString('base64url')}`;
}

/** Whether a text was sealed by the first of the keys. */
export const isSealedBy = ([hexKey]: SealKeys, sealed: string): boolean => sealed.startsWith(`v1.${keyId(hexKey)}.`);

/** Decrypts the result of {@link seal}. @throws Error for another key or context, or a modified text */
export function unseal(keys: SealKeys, context: string, sealed: string): string {
  const [version, id, body] = sealed.split('.');
  if (version !== 'v1' || body === undefined) throw new Error('not a sealed text');
  const hexKey = keys.find((key) => keyId(key) === id);
  if (hexKey === undefined) throw new Error(`sealed with another ENCRYPTION_KEY (${id})`);
  const bytes = Buffer.from(body, 'base64url');
  const decipher = createDecipheriv(algorithm, keyOf(hexKey), bytes.subarray(0, nonceBytes)).setAAD(
    Buffer.from(context),
  );
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()]).toString('utf8');
}
