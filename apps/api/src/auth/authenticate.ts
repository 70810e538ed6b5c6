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
  sealKeysOf,
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
import type { Judged, Origin, RateLimits } from '../http/rate-limits.ts';
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
async function judge(
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

function requireCodeOf({ totpEnabledAt }: Account, code: string | undefined): void {
  if (totpEnabledAt !== null && code === undefined)
    throw new TallyError('second_factor_required', 'Send the code of your authenticator app, too');
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

/** Both. */
export const originOf = (c: Context<ApiEnv>, config: Pick<Config, 'proxyHops'>): Origin => ({
  address: addressOf(c, config),
  network: networkOf(c, config),
});

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
    refuseOldLogin(c.get('identity'));
    await next();
  });
};

/** @throws TallyError `login_required` where the login is older than an hour */
export function refuseOldLogin({ loginAt }: Caller): void {
  if (Date.now() - (loginAt?.getTime() ?? 0) > limits.recentLoginSeconds * 1_000)
    throw new TallyError('login_required', 'Log in anew: this wants a login of the last hour');
}

/**
 * Lets operators pass, by a key as far as that goes; comes after {@link requireAccount}.
 * @throws TallyError `forbidden`, `second_factor_required` where operators have to have one
 */
export function requireOperator(config: Pick<Config, 'requireOperatorSecondFactor'>): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const refusal = operatorRefusal(c.get('identity'), c.req.method, config);
    if (refusal !== undefined) throw refusal;
    await next();
  };
}

/** Why somebody may not act as an operator by this method; undefined where they may. */
export function operatorRefusal(
  { role, operatorScope, hasSecondFactor }: Caller,
  method: string,
  { requireOperatorSecondFactor: isRequired }: Pick<Config, 'requireOperatorSecondFactor'>,
): TallyError | undefined {
  if (role !== 'operator') return new TallyError('forbidden', 'This is for operators');
  const isReading = method === 'GET' || method === 'HEAD';
  if (operatorScope === 'none' || (operatorScope === 'read' && !isReading))
    return new TallyError('forbidden', 'This API key was not made for that: see operator_scope');
  if (!isRequired || hasSecondFactor) return undefined;
  return new TallyError(
    'second_factor_required',
    'Operators need a second factor here: POST /api/accounts/second-factor',
  );
}

/**
 * Asks an account that is logged in for its password again, and for a code where a second factor is on. Whoever has found a
 * token may guess here no oftener than at the login. @throws TallyError `unauthenticated`, `second_factor_required`,
 * `rate_limited`
 */
export async function requirePassword(
  { db, rateLimits, config }: Pick<ApiServices, 'db' | 'rateLimits' | 'config'>,
  c: Context<ApiEnv>,
  given: { password: string; code?: string | undefined },
): Promise<Account> {
  const account = await findAccount(db, c.get('identity').accountId);
  if (account === undefined) throw new TallyError('unauthenticated', 'The account is gone');
  const sealKeys = sealKeysOf(config);
  const known = await rateLimits.guess(account.email, originOf(c, config), () =>
    judge({ db, rateLimits, sealKeys }, account, given),
  );
  if (known === undefined) throw new TallyError('unauthenticated', 'The current password, or the code, is wrong');
  requireCodeOf(account, given.code);
  return known;
}
