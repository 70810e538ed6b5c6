/** Second-factor codes: time-based six-digit codes (RFC 6238) and recovery codes. */
import { createHash, randomBytes } from 'node:crypto';
import { type SealKeys, unseal } from '@tally/core';
import { type Account, consumeRecoveryCode, consumeTotpStep, type Database, totpContext } from '@tally/db';
import { Secret, TOTP } from 'otpauth';

const stepSeconds = 30;
/** In steps: tolerates a clock that is 30 s off. */
const window = 1;
const recoveryCodeCount = 10;

const totpOf = (secret: Secret, email: string) =>
  new TOTP({ issuer: 'Tally', label: email, secret, period: stepSeconds });

/** A new secret in base32, and the `otpauth:` URI that authenticator apps read as a QR code. */
export function newTotp(email: string): { secret: string; uri: string } {
  const secret = new Secret({ size: 20 });
  return { secret: secret.base32, uri: totpOf(secret, email).toString() };
}

/** New recovery codes, shown once, and their hashes. */
export function newRecoveryCodes(): { codes: string[]; hashes: Buffer[] } {
  const codes = Array.from({ length: recoveryCodeCount }, () =>
    randomBytes(8)
      .toString('hex')
      .replace(/(.{4})(?=.)/g, '$1-'),
  );
  return { codes, hashes: codes.map(hashRecoveryCode) };
}

const hashRecoveryCode = (code: string): Buffer =>
  createHash('sha256').update(code.toLowerCase().replaceAll(/[\s-]/g, '')).digest();

/** Whether a code is right, which uses it up; the account's secret may be enabled or only prepared. */
export async function isCode(db: Database, keys: SealKeys, account: Account, code: string): Promise<boolean> {
  if (account.totpSecret === null) return false;
  if (!/^\d{6}$/.test(code)) return consumeRecoveryCode(db, account.id, hashRecoveryCode(code));
  const secret = Secret.fromBase32(unseal(keys, totpContext(account.id), account.totpSecret));
  const delta = totpOf(secret, account.email).validate({ token: code, window });
  if (delta === null) return false;
  return consumeTotpStep(db, account.id, Math.floor(Date.now() / 1_000 / stepSeconds) + delta);
}
