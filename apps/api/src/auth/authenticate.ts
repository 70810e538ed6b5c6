/** Authenticates bearer tokens and API keys; the account is read on every request, so a revocation applies at once. */
import { randomBytes } from 'node:crypto';
import {
  apiKeyPrefix,
  group,
  hashApiKey,
  hashUnknownPassword,
  isId,
  isPassword,
  type SealKeys,
  TallyError,
} from '@tally/core';
import {
  type Account,
  type Database,
  findAccountByEmail,
  findIdentityByKey,
  type Identity,
  isUnavailable,
  readIdentities,
} from '@tally/db';
import type { Checked, Origin, RateLimits } from '../http/rate-limits.ts';
import { isCode } from './second-factor.ts';
import type { Tokens } from './tokens.ts';

/** The identity behind a request; `loginAt` is the time of the login, undefined for an API key. */
export type Caller = Identity & { loginAt: Date | undefined };

export type Authenticator = {
  tokens: Tokens;
  /** The identity behind an `Authorization: Bearer` value; undefined where it is not valid. */
  identify(bearer: string): Promise<Caller | undefined>;
  /**
   * Checks e-mail, password, and the second-factor code where one is enabled. @throws TallyError `unauthenticated`, the
   * same for an unknown e-mail and a wrong code; `second_factor_required` if only the code is missing; `rate_limited`
   */
  login(credentials: { email: string; password: string; code?: string | undefined }, from: Origin): Promise<Caller>;
};

/** A new API key; only its hash is stored. */
export function newApiKey(): { key: string; keyHash: Buffer; hint: string } {
  const key = `${apiKeyPrefix}${randomBytes(32).toString('base64url')}`;
  return { key, keyHash: hashApiKey(key), hint: `${key.slice(0, 9)}…${key.slice(-4)}` };
}

/** Builds the authenticator of an API process. */
export function createAuthenticator(options: {
  db: Database;
  tokens: Tokens;
  rateLimits: RateLimits;
  sealKeys: SealKeys;
}): Authenticator {
  const { db, tokens, rateLimits, sealKeys } = options;
  const readIdentity = group((accountIds: string[]) => readIdentities(db, accountIds), {
    retryAlone: (error) => !isUnavailable(error),
  });
  // An unknown e-mail costs the same hash as a known one, so response times don't reveal which accounts exist.
  const unknownPassword = hashUnknownPassword();
  return {
    tokens,
    identify: async (bearer) => {
      if (bearer.startsWith(apiKeyPrefix)) {
        const owner = await findIdentityByKey(db, hashApiKey(bearer));
        return owner && { ...owner, loginAt: undefined };
      }
      const claims = await tokens.verify(bearer);
      if (claims === undefined || !isId(claims.accountId)) return undefined;
      const identity = await readIdentity(claims.accountId);
      return identity?.tokenVersion === claims.tokenVersion ? { ...identity, loginAt: claims.loginAt } : undefined;
    },
    login: async ({ email, password, code }, from) => {
      const account = await rateLimits.passwordAttempt(email, from, async () => {
        const found = await findAccountByEmail(db, email);
        if (found !== undefined) return checkCredentials({ db, rateLimits, sealKeys }, found, { password, code });
        await isPassword(await unknownPassword, password);
        return undefined;
      });
      if (account === undefined) throw new TallyError('unauthenticated', 'E-mail, password or code is wrong');
      requireCodeOf(account, code);
      const { id: accountId, role, tokenVersion } = account;
      const hasSecondFactor = account.totpEnabledAt !== null;
      return { accountId, role, tokenVersion, hasSecondFactor, operatorScope: 'write', loginAt: new Date() };
    },
  };
}

/** Undefined where password or code is wrong; `isComplete` is false where only the code is missing. */
export async function checkCredentials(
  { db, rateLimits, sealKeys }: { db: Database; rateLimits: RateLimits; sealKeys: SealKeys },
  account: Account,
  { password, code }: { password: string; code?: string | undefined },
): Promise<Checked<Account> | undefined> {
  if (!(await isPassword(account.passwordHash, password))) return undefined;
  if (account.totpEnabledAt === null) return { found: account, isComplete: true };
  if (code === undefined) return { found: account, isComplete: false };
  // Counted per account, over all networks: only clients with the right password get here.
  await rateLimits.codes.check(account.id);
  if (await isCode(db, sealKeys, account, code)) return { found: account, isComplete: true };
  await rateLimits.codes.wrong(account.id);
  return undefined;
}

/** @throws TallyError `second_factor_required` where a code is missing */
export function requireCodeOf({ totpEnabledAt }: Account, code: string | undefined): void {
  if (totpEnabledAt !== null && code === undefined)
    throw new TallyError('second_factor_required', 'Send the code of your authenticator app, too');
}
