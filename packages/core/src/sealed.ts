/** Secrets at rest: AES-256-GCM, with the id of the key beside the text. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;

const keyOf = (hexKey: string): Buffer => Buffer.from(hexKey, 'hex');
const keyId = (hexKey: string): string => createHash('sha256').update(keyOf(hexKey)).digest('hex').slice(0, 8);

/**
 * Encrypts `text` for one place: `context` (what it belongs to) must be given again to open it, so that a sealed text
 * can't be moved to another row. `hexKey` is 64 hexadecimal digits.
 */
export function seal(hexKey: string, context: string, text: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, keyOf(hexKey), nonce).setAAD(Buffer.from(context));
  const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `v1.${keyId(hexKey)}.${sealed.toString('base64url')}`;
}

/** What {@link seal} sealed. @throws Error where key or context are others, or the text was changed */
export function unseal(hexKey: string, context: string, sealed: string): string {
  const [version, id, body] = sealed.split('.');
  if (version !== 'v1' || body === undefined) throw new Error('not a sealed text');
  if (id !== keyId(hexKey)) throw new Error(`sealed with another ENCRYPTION_KEY (${id})`);
  const bytes = Buffer.from(body, 'base64url');
  const decipher = createDecipheriv(algorithm, keyOf(hexKey), bytes.subarray(0, nonceBytes)).setAAD(
    Buffer.from(context),
  );
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()]).toString('utf8');
}
