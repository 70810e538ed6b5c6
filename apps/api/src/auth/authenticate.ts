/** Who is asking: a bearer token or an API key, looked up on every request so that a change counts at once. */
import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import {
  apiKeyPrefix,
  type Config,
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
  findAccount,
  findAccountByEmail,
  findIdentityByKey,
  type Identity,
  isOutage,
  readIdentities,
} from '@tally/db';
import type { Context, MiddlewareHandler } from 'hono';
import ipaddr from 'ipaddr.js';
import type { RateLimits } from '../http/rate-limits.ts';
import { limits } from '../limits.ts';
import type { ApiEnv, ApiServices } from '../services.ts';
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
  login(credentials: { email: string; password: string; code?: string | undefined }, address: string): Promise<Caller>;
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
    retryAlone: (error) => !isOutage(error),
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
    login: async ({ email, password, code }, address) => {
      const account = await rateLimits.guess(email, address, async () => {
        const found = await findAccountByEmail(db, email);
        const isRight = await isPassword(found?.passwordHash ?? (await nobody), password);
        if (found === undefined || !isRight) return undefined;
        // A password alone is no guess at the code.
        if (found.totpEnabledAt === null || code === undefined) return found;
        return (await isCode(db, sealKeys, found, code)) ? found : undefined;
      });
      if (account === undefined) throw new TallyError('unauthenticated', 'E-mail, password or code is wrong');
      if (account.totpEnabledAt !== null && code === undefined)
        throw new TallyError('second_factor_required', 'Send the code of your authenticator app, too');
      const { id: accountId, role, tokenVersion } = account;
      const hasSecondFactor = account.totpEnabledAt !== null;
      return { accountId, role, tokenVersion, hasSecondFactor, operatorScope: 'write', loginAt: new Date() };
    },
  };
}

/**
 * The address a request came from, as limits count it: of IPv6 the /64, all of which is one subscriber's. Each proxy of
 * ours adds the one that it was called from: what stands further to the left anybody may have written.
 */
export function addressOf(c: Context<ApiEnv>, config: Pick<Config, 'proxyHops'>): string {
  return networkAt(c, config, 4);
}

/** The same, of IPv6 the /48: as much as one may have for nothing. */
export function networkOf(c: Context<ApiEnv>, config: Pick<Config, 'proxyHops'>): string {
  return networkAt(c, config, 3);
}

function networkAt(c: Context<ApiEnv>, { proxyHops }: Pick<Config, 'proxyHops'>, groups: number): string {
  const forwarded = c.req.header('x-forwarded-for')?.split(',').at(-proxyHops)?.trim() ?? '';
  const address = proxyHops > 0 && isIP(forwarded) !== 0 ? forwarded : c.env?.incoming?.socket?.remoteAddress;
  if (address === undefined) return 'unknown';
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  return `${parsed.parts
    .slice(0, groups)
    .map((part) => part.toString(16))
    .join(':')}::/${16 * groups}`;
}

/** The bearer value of a request, if there is one. */
export const bearerOf = (c: Context<ApiEnv>): string | undefined =>
  /^Bearer +(\S{1,4096})$/i.exec(c.req.header('authorization') ?? '')?.[1];

/** Lets known accounts pass and puts their identity on the context. */
export function requireAccount(authenticator: Authenticator): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const bearer = bearerOf(c);
    const identity = bearer === undefined ? undefined : await authenticator.identify(bearer);
    if (identity === undefined) {
      c.header('WWW-Authenticate', 'Bearer');
      throw new TallyError('unauthenticated', 'Log in first: send a valid bearer token or API key');
    }
    c.set('identity', identity);
    await next();
  };
}

/** Lets no API key pass; comes after {@link requireAccount}. @throws TallyError `login_required` */
export const requireLogin: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (c.get('identity').loginAt === undefined)
    throw new TallyError('login_required', 'An API key can’t do this: log in with the password');
  await next();
};

/**
 * For what gives or takes access: only a login of the last hour is let in, for a key that was found, or a token that was
 * left behind, must not make another key. Comes after {@link requireAccount}. @throws TallyError `login_required`
 */
export const requireRecentLogin: MiddlewareHandler<ApiEnv> = async (c, next) => {
  await requireLogin(c, async () => {
    const loginAt = c.get('identity').loginAt?.getTime() ?? 0;
    if (Date.now() - loginAt > limits.recentLoginSeconds * 1_000)
      throw new TallyError('login_required', 'Log in anew: this wants a login of the last hour');
    await next();
  });
};

/**
 * Lets operators pass, by a key as far as that goes; comes after {@link requireAccount}.
 * @throws TallyError `forbidden`, `second_factor_required` where operators have to have one
 */
export function requireOperator({
  requireOperatorSecondFactor: isRequired,
}: Pick<Config, 'requireOperatorSecondFactor'>): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const { role, operatorScope, hasSecondFactor } = c.get('identity');
    if (role !== 'operator') throw new TallyError('forbidden', 'This is for operators');
    const isReading = c.req.method === 'GET' || c.req.method === 'HEAD';
    if (operatorScope === 'none' || (operatorScope === 'read' && !isReading))
      throw new TallyError('forbidden', 'This API key was not made for that: see operator_scope');
    if (isRequired && !hasSecondFactor)
      throw new TallyError(
        'second_factor_required',
        'Operators need a second factor here: POST /api/accounts/second-factor',
      );
    await next();
  };
}

/**
 * Asks an account that is logged in for its password again. Whoever has found a token may guess here no oftener than at
 * the login. @throws TallyError `unauthenticated`, `rate_limited`
 */
export async function requirePassword(
  { db, rateLimits, config }: Pick<ApiServices, 'db' | 'rateLimits' | 'config'>,
  c: Context<ApiEnv>,
  password: string,
): Promise<Account> {
  const account = await findAccount(db, c.get('identity').accountId);
  if (account === undefined) throw new TallyError('unauthenticated', 'The account is gone');
  const known = await rateLimits.guess(account.email, addressOf(c, config), async () =>
    (await isPassword(account.passwordHash, password)) ? account : undefined,
  );
  if (known === undefined) throw new TallyError('unauthenticated', 'The current password is wrong');
  return known;
}
