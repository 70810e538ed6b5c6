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
import { limits } from '../limits.ts';
import type { ApiEnv, ApiServices } from '../services.ts';
import type { Tokens } from './tokens.ts';

/** Who asks, and by what: a login, of that moment, or an API key. */
export type Caller = Identity & { loginAt: Date | undefined };

export type Authenticator = {
  tokens: Tokens;
  /** The identity behind an `Authorization: Bearer` value; undefined where it proves nothing. */
  identify(bearer: string): Promise<Caller | undefined>;
  /** Checks e-mail and password. @throws TallyError `unauthenticated`, the same for an unknown e-mail; `rate_limited` */
  login(email: string, password: string, address: string): Promise<Caller>;
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
      if (bearer.startsWith(apiKeyPrefix)) {
        const owner = await findIdentityByKey(db, hashApiKey(bearer));
        return owner && { ...owner, loginAt: undefined };
      }
      const claims = await tokens.verify(bearer);
      if (claims === undefined || !isId(claims.accountId)) return undefined;
      const identity = await readIdentity(claims.accountId);
      return identity?.tokenVersion === claims.tokenVersion ? { ...identity, loginAt: claims.loginAt } : undefined;
    },
    login: async (email, password, address) => {
      const account = await rateLimits.guess(email, address, async () => {
        const found = await findAccountByEmail(db, email);
        const isRight = await isPassword(found?.passwordHash ?? (await nobody), password);
        return isRight ? found : undefined;
      });
      if (account === undefined) throw new TallyError('unauthenticated', 'E-mail or password is wrong');
      const { id: accountId, role, tokenVersion } = account;
      return { accountId, role, tokenVersion, loginAt: new Date() };
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
  const known = await rateLimits.guess(account.email, addressOf(c, config), async () =>
    (await isPassword(account.passwordHash, password)) ? account : undefined,
  );
  if (known === undefined) throw new TallyError('unauthenticated', 'The current password is wrong');
  return known;
}
