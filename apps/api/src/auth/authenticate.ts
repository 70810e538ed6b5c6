/** Who is asking: a bearer token or an API key, looked up on every request so that a change counts at once. */
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
import type { Judged, Origin, RateLimits } from '../http/rate-limits.ts';
import { isCode } from './second-factor.ts';
import type { Tokens } from './tokens.ts';

/** Who asks, and by what: a login, of that moment, or an API key. */
export type Caller = Identity & { loginAt: Date | undefined };

export type Authenticator = {
  tokens: Tokens;
  /** The identity behind an `Authorization: Bearer` value; undefined where it proves nothing. */
  identify(bearer: string): Promise<Caller | undefined>;
  /**
   * Checks e-mail and password, and the code of a second factor where one is on. @throws TallyError `unauthenticated`, the
   * same for an unknown e-mail and a wrong code; `second_factor_required` where only a code is missing; `rate_limited`
   */
  login(credentials: { email: string; password: string; code?: string | undefined }, from: Origin): Promise<Caller>;
};

/** A new API key: shown once, stored as its hash. */
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
  // Somebody who isn't there takes as long to refuse as somebody who is.
  const nobody = hashUnknownPassword();
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
      const account = await rateLimits.guess(email, from, async () => {
        const found = await findAccountByEmail(db, email);
        if (found !== undefined) return judge({ db, rateLimits, sealKeys }, found, { password, code });
        await isPassword(await nobody, password);
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

/** Undefined where password or code is wrong; right so far where only the code is missing. */
export async function judge(
  { db, rateLimits, sealKeys }: { db: Database; rateLimits: RateLimits; sealKeys: SealKeys },
  account: Account,
  { password, code }: { password: string; code?: string | undefined },
): Promise<Judged<Account> | undefined> {
  if (!(await isPassword(account.passwordHash, password))) return undefined;
  if (account.totpEnabledAt === null) return { found: account, isWhole: true };
  if (code === undefined) return { found: account, isWhole: false };
  // Counted for the account, from wherever they come: only who has its password gets here.
  await rateLimits.codes.check(account.id);
  if (await isCode(db, sealKeys, account, code)) return { found: account, isWhole: true };
  await rateLimits.codes.wrong(account.id);
  return undefined;
}

/** @throws TallyError `second_factor_required` where a code is missing */
export function requireCodeOf({ totpEnabledAt }: Account, code: string | undefined): void {
  if (totpEnabledAt !== null && code === undefined)
    throw new TallyError('second_factor_required', 'Send the code of your authenticator app, too');
}
