/** Bearer tokens: JWTs with pinned algorithm, issuer and audience. */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import { limits } from '../limits.ts';

export type TokenClaims = {
  accountId: string;
  tokenVersion: number;
  /** When the password was given. */
  loginAt: Date;
};
export type Tokens = {
  issue(claims: Omit<TokenClaims, 'loginAt'>): Promise<string>;
  /** Undefined for anything but a valid, unexpired token of this installation. */
  verify(token: string): Promise<TokenClaims | undefined>;
};

const issuer = 'tally';
const audience = 'tally-api';
const algorithm = 'HS256';
const requiredClaims = { algorithms: [algorithm], issuer, audience, requiredClaims: ['sub', 'exp', 'iat', 'ver'] };

/** Builds issuer and verifier for secrets of at least 32 characters: the first signs, all are accepted. */
export function createTokens(secrets: readonly [string, ...string[]]): Tokens {
  const keys = secrets.map((secret) => createSecretKey(Buffer.from(secret, 'utf8')));
  const [signingKey] = keys as [KeyObject];
  const check = async (token: string) => {
    for (const key of keys) {
      const verified = await jwtVerify(token, key, requiredClaims).catch(() => undefined);
      if (verified !== undefined) return verified.payload;
    }
    return undefined;
  };
  // A verified signature is cached until the token expires; the account is read on every request.
  const verified = new LRUCache<string, TokenClaims>({ max: 10_000 });
  return {
    issue: ({ accountId, tokenVersion }) =>
      new SignJWT({ ver: tokenVersion })
        .setProtectedHeader({ alg: algorithm, typ: 'JWT' })
        .setSubject(accountId)
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime(`${limits.tokenLifetimeSeconds}s`)
        .sign(signingKey),
    verify: async (token) => {
      const known = verified.get(token);
      if (known !== undefined) return known;
      const payload = await check(token);
      if (payload === undefined) return undefined;
      const { sub, ver, exp, iat } = payload;
      if (typeof sub !== 'string' || typeof ver !== 'number' || exp === undefined || iat === undefined)
        return undefined;
      const claims = { accountId: sub, tokenVersion: ver, loginAt: new Date(iat * 1_000) };
      verified.set(token, claims, { ttl: Math.max(1, exp * 1_000 - Date.now()) });
      return claims;
    },
  };
}
