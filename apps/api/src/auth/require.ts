/** Authorization middleware and checks: account, login, recent login, operator, password. */
import { type Config, sealKeysOf, TallyError } from '@tally/core';
import { type Account, type Database, findAccount } from '@tally/db';
import type { Context, MiddlewareHandler } from 'hono';
import { originOf } from '../http/origin.ts';
import { limits } from '../limits.ts';
import type { ApiEnv, ApiServices } from '../services.ts';
import { type Authenticator, type Caller, checkCredentials, requireCodeOf } from './authenticate.ts';

/** The bearer value of a request, if any. */
export const bearerOf = (c: Context<ApiEnv>): string | undefined =>
  /^Bearer +(\S{1,4096})$/i.exec(c.req.header('authorization') ?? '')?.[1];

/** Requires a valid bearer value and puts its identity on the context. @throws TallyError `unauthenticated` */
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

/** Refuses API keys; runs after {@link requireAccount}. @throws TallyError `login_required` */
export const requireLogin: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (c.get('identity').loginAt === undefined)
    throw new TallyError('login_required', 'An API key can’t do this: log in with the password');
  await next();
};

/**
 * For routes that grant or revoke access: requires a login of the last hour, since a leaked key or an old token must
 * not create further keys. Runs after {@link requireAccount}. @throws TallyError `login_required`
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
 * Requires an operator, and of an API key the operator scope; runs after {@link requireAccount}.
 * @throws TallyError `forbidden`, `second_factor_required` where the settings demand one of operators
 */
export function requireOperator(config: Pick<Config, 'requireOperatorSecondFactor'>): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    const refusal = operatorRefusal(c.get('identity'), c.req.method, config);
    if (refusal !== undefined) throw refusal;
    await next();
  };
}

/** Why the caller may not use this method as an operator; undefined where it may. */
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
 * Requires the password of a logged-in account again, and a code where a second factor is enabled. Shares the login's
 * rate limit, so a stolen token allows no extra guesses.
 * @throws TallyError `unauthenticated`, `second_factor_required`, `rate_limited`
 */
export async function requirePassword(
  { db, rateLimits, config }: Pick<ApiServices, 'db' | 'rateLimits' | 'config'>,
  c: Context<ApiEnv>,
  given: { password: string; code?: string | undefined },
): Promise<Account> {
  const account = await readOwnAccount(db, c);
  const sealKeys = sealKeysOf(config);
  const known = await rateLimits.passwordAttempt(account.email, originOf(c, config), () =>
    checkCredentials({ db, rateLimits, sealKeys }, account, given),
  );
  if (known === undefined) throw new TallyError('unauthenticated', 'The current password, or the code, is wrong');
  requireCodeOf(account, given.code);
  return known;
}

/** The row of a logged-in account. @throws TallyError `unauthenticated` where it has been erased meanwhile */
export async function readOwnAccount(db: Database, c: Context<ApiEnv>): Promise<Account> {
  const account = await findAccount(db, c.get('identity').accountId);
  if (account === undefined) throw new TallyError('unauthenticated', 'The account is gone');
  return account;
}
