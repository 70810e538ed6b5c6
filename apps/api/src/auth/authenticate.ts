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
import type { ApiEnv, ApiServices } from '../services.ts';
import type { Tokens } from './tokens.ts';

export type Authenticator = {
  tokens: Tokens;
  /** The identity behind an `Authorization: Bearer` value; undefined where it proves nothing. */
  identify(bearer: string): Promise<Identity | undefined>;
  /** Checks e-mail and password. @throws TallyError `unauthenticated`, the same for an unknown e-mail; `rate_limited` */
  login(email: string, password: string, address: string): Promise<Identity>;
};

/** A new API key: shown once, stored as its hash. */
export function newApiKey(): { key: string; keyHash: Buffer; hint: string } {
  const key = `${apiKeyPrefix}${randomBytes(32).toString('base64url')}`;
  return { key, keyHash: hashApiKey(key), hint: `${key.slice(0, 9)}…${key.slice(-4)}` };
}

/** Builds the authenticator of an API process. */
export function createAuthenticator(options: { db: Database; tokens: Tokens; rateLimits: RateLimits }): Authenticator {
  const { db, tokens, rateLimits } = options;
  const readIdentity = group((accountIds: string[]) => readIdentities(db, accountIds), {
    retryAlone: (error) => !isOutage(error),
  });
  // Somebody who isn't there takes as long to refuse as somebody who is.
  const nobody = hashUnknownPassword();
  return {
    tokens,
    identify: async (bearer) => {
      if (bearer.startsWith(apiKeyPrefix)) return findIdentityByKey(db, hashApiKey(bearer));
      const claims = await tokens.verify(bearer);
      if (claims === undefined || !isId(claims.accountId)) return undefined;
      const identity = await readIdentity(claims.accountId);
      return identity?.tokenVersion === claims.tokenVersion ? identity : undefined;
    },
    login: async (email, password, address) => {
      await rateLimits.login.check(email, address);
      const account = await findAccountByEmail(db, email);
      const isRight = await isPassword(account?.passwordHash ?? (await nobody), password);
      if (account === undefined || !isRight) {
        await rateLimits.login.failed(email, address);
        throw new TallyError('unauthenticated', 'E-mail or password is wrong');
      }
      await rateLimits.login.succeeded(email, address);
      return { accountId: account.id, role: account.role, tokenVersion: account.tokenVersion };
    },
  };
}

/**
 * The address a request came from, as limits count it: of IPv6 the /64, all of which is one subscriber's. Each proxy of
 * ours adds the one that it was called from: what stands further to the left anybody may have written.
 */
export function addressOf(c: Context<ApiEnv>, { proxyHops }: Pick<Config, 'proxyHops'>): string {
  const forwarded = c.req.header('x-forwarded-for')?.split(',').at(-proxyHops)?.trim() ?? '';
  const address = proxyHops > 0 && isIP(forwarded) !== 0 ? forwarded : c.env?.incoming?.socket?.remoteAddress;
  if (address === undefined) return 'unknown';
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  return `${parsed.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
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

/** Lets operators pass; comes after {@link requireAccount}. */
export const requireOperator: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (c.get('identity').role !== 'operator') throw new TallyError('forbidden', 'This is for operators');
  await next();
};

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
  const address = addressOf(c, config);
  await rateLimits.login.check(account.email, address);
  if (!(await isPassword(account.passwordHash, password))) {
    await rateLimits.login.failed(account.email, address);
    throw new TallyError('unauthenticated', 'The current password is wrong');
  }
  await rateLimits.login.succeeded(account.email, address);
  return account;
}
