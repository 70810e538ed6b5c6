/** Registering, logging in, passwords, API keys, and what an account sees of itself. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { getBalance, termsOf } from '@tally/billing';
import { boundedText, hashPassword, TallyError } from '@tally/core';
import {
  deleteApiKey,
  type EndedSessions,
  endSessions,
  findAccount,
  type Identity,
  insertAccount,
  insertApiKey,
  isErasedAddress,
  listApiKeys,
  type Standing,
} from '@tally/db';
import { addressOf, newApiKey, requireLogin, requirePassword, requireRecentLogin } from '../auth/authenticate.ts';
import { limits } from '../limits.ts';
import {
  bearer,
  Created,
  errorResponses,
  GivenPassword,
  jsonBody,
  jsonResponse,
  NewPassword,
  Subscription,
  toSubscription,
} from '../schemas.ts';
import type { ApiEnv, ApiServices } from '../services.ts';

const Email = z.email().max(254).openapi({ example: 'you@example.com' });
const Credentials = z.object({ email: Email, password: GivenPassword });
const Token = { access_token: z.string(), token_type: z.literal('bearer'), expires_in: z.int() };
const EndKeys = z.boolean().default(false).openapi({ description: 'Whether API keys end, too' });
const KeysLeft = {
  api_keys_ended: z.int(),
  api_keys_kept: z.int().openapi({ description: 'Keys that go on: end them, too, where somebody else may have one' }),
};
const ApiKey = z.object({ id: z.uuid(), name: z.string(), hint: z.string(), created_at: Created });

const register = createRoute({
  method: 'post',
  path: '/api/accounts/register',
  tags: ['Accounts'],
  summary: 'Open an account',
  request: jsonBody(
    z.object({
      email: Email.refine((email) => !isErasedAddress(email), 'must be an address that exists'),
      password: NewPassword,
    }),
  ),
  responses: { 201: jsonResponse('The account, logged in', Token), ...errorResponses(400, 409) },
});
const login = createRoute({
  method: 'post',
  path: '/api/accounts/login',
  tags: ['Accounts'],
  summary: 'Get a bearer token',
  request: jsonBody(Credentials),
  responses: { 200: jsonResponse('A bearer token', Token), ...errorResponses(400, 401) },
});
const password = createRoute({
  method: 'post',
  path: '/api/accounts/password',
  tags: ['Accounts'],
  summary: 'Change the password; ends every bearer token given out before',
  description: 'API keys go on unless `end_api_keys` is true: the answer says how many.',
  security: bearer,
  request: jsonBody(z.object({ current_password: GivenPassword, new_password: NewPassword, end_api_keys: EndKeys })),
  responses: { 200: jsonResponse('A new bearer token', { ...Token, ...KeysLeft }), ...errorResponses(400, 401) },
});
const logoutEverywhere = createRoute({
  method: 'post',
  path: '/api/accounts/logout-everywhere',
  tags: ['Accounts'],
  summary: 'End every bearer token given out so far, this one too, and API keys where that is wanted',
  security: bearer,
  middleware: [requireLogin],
  request: jsonBody(z.object({ end_api_keys: EndKeys })),
  responses: { 200: jsonResponse('Logged out', KeysLeft), ...errorResponses(400, 401, 403) },
});
const listKeys = createRoute({
  method: 'get',
  path: '/api/accounts/api-keys',
  tags: ['Accounts'],
  summary: 'List API keys',
  security: bearer,
  responses: { 200: jsonResponse('The keys, newest first', { api_keys: z.array(ApiKey) }), ...errorResponses(401) },
});
const createKey = createRoute({
  method: 'post',
  path: '/api/accounts/api-keys',
  tags: ['Accounts'],
  summary: 'Make an API key; it is shown only now. Wants a login of the last hour',
  security: bearer,
  middleware: [requireRecentLogin],
  request: jsonBody(z.object({ name: boundedText(limits.maxTitleCharacters) })),
  responses: {
    201: jsonResponse('The key', { api_key: ApiKey.extend({ key: z.string() }) }),
    ...errorResponses(400, 401, 403, 409),
  },
});
const removeKey = createRoute({
  method: 'delete',
  path: '/api/accounts/api-keys/{id}',
  tags: ['Accounts'],
  summary: 'Revoke an API key. Wants a login of the last hour',
  security: bearer,
  middleware: [requireRecentLogin],
  request: { params: z.object({ id: z.uuid() }) },
  responses: { 200: jsonResponse('Revoked', {}), ...errorResponses(401, 403, 404) },
});
const percent = z.number().min(0).max(100);
const profile = createRoute({
  method: 'get',
  path: '/api/accounts/profile',
  tags: ['Accounts'],
  summary: 'Who am I, and how much is left',
  security: bearer,
  responses: {
    200: jsonResponse('The account', {
      id: z.uuid(),
      email: z.string(),
      role: z.enum(['tenant', 'operator']),
      token_usage_remaining: percent,
      subscription_remaining: percent,
      created_at: Created,
    }),
    ...errorResponses(401),
  },
});
const overview = createRoute({
  method: 'get',
  path: '/api/accounts/overview',
  tags: ['Accounts'],
  summary: 'The account’s subscription and tokens',
  security: bearer,
  responses: {
    200: jsonResponse('The overview', { token_usage_remaining: percent, current_subscription: Subscription }),
    ...errorResponses(401),
  },
});

/** Routes that need no login. */
export function publicAccountRoutes(services: ApiServices) {
  const { db, authenticator, rateLimits, config } = services;
  const issue = async (identity: Identity) => ({
    success: true as const,
    access_token: await authenticator.tokens.issue(identity),
    token_type: 'bearer' as const,
    expires_in: limits.tokenLifetimeSeconds,
  });
  return new OpenAPIHono<ApiEnv>()
    .openapi(register, async (c) => {
      const input = c.req.valid('json');
      await rateLimits.registration(addressOf(c, config));
      const { signupPlan: planId } = config;
      const passwordHash = await hashPassword(input.password);
      const terms = planId === undefined ? undefined : await termsOf(db, { planId, status: 'active' });
      const account = await insertAccount(
        db,
        { email: input.email, passwordHash, role: 'tenant' },
        terms && { ...terms, grantedBy: null },
      );
      if (account === undefined) throw new TallyError('conflict', 'This e-mail address has an account already');
      return c.json(
        await issue({ accountId: account.id, role: account.role, tokenVersion: account.tokenVersion }),
        201,
      );
    })
    .openapi(login, async (c) => {
      const input = c.req.valid('json');
      return c.json(await issue(await authenticator.login(input.email, input.password, addressOf(c, config))), 200);
    });
}

export function accountRoutes(services: ApiServices) {
  const { db, billing, authenticator, log } = services;
  return new OpenAPIHono<ApiEnv>()
    .openapi(password, async (c) => {
      const { accountId, role } = c.get('identity');
      const input = c.req.valid('json');
      await requirePassword(services, c, input.current_password);
      const passwordHash = await hashPassword(input.new_password);
      const ended = await endSessions(db, accountId, { passwordHash, endKeys: input.end_api_keys });
      if (ended === undefined) throw new TallyError('unauthenticated', 'The account is gone');
      const token = await authenticator.tokens.issue({ accountId, tokenVersion: ended.tokenVersion });
      const body = { access_token: token, token_type: 'bearer', expires_in: limits.tokenLifetimeSeconds } as const;
      log.info({ account_id: accountId, role }, 'password changed');
      return c.json({ success: true as const, ...body, ...toKeysLeft(ended) }, 200);
    })
    .openapi(logoutEverywhere, async (c) => {
      const { accountId } = c.get('identity');
      const ended = await endSessions(db, accountId, { endKeys: c.req.valid('json').end_api_keys });
      if (ended === undefined) throw new TallyError('unauthenticated', 'The account is gone');
      log.info({ account_id: accountId }, 'logged out everywhere');
      return c.json({ success: true as const, ...toKeysLeft(ended) }, 200);
    })
    .openapi(listKeys, async (c) => {
      const keys = await listApiKeys(db, c.get('identity').accountId);
      return c.json({ success: true as const, api_keys: keys.map(toApiKey) }, 200);
    })
    .openapi(createKey, async (c) => {
      const { accountId } = c.get('identity');
      const { key, keyHash, hint } = newApiKey();
      const row = await insertApiKey(
        db,
        { accountId, name: c.req.valid('json').name, keyHash, hint },
        limits.maxApiKeys,
      );
      if (row === undefined)
        throw new TallyError('conflict', `An account has at most ${limits.maxApiKeys} API keys: revoke one first`);
      return c.json({ success: true as const, api_key: { ...toApiKey(row), key } }, 201);
    })
    .openapi(removeKey, async (c) => {
      const found = await deleteApiKey(db, c.get('identity').accountId, c.req.valid('param').id);
      if (!found) throw new TallyError('not_found', 'There is no such API key');
      return c.json({ success: true as const }, 200);
    })
    .openapi(profile, async (c) => {
      const { accountId } = c.get('identity');
      const [account, standing] = await Promise.all([findAccount(db, accountId), getBalance(billing, accountId)]);
      if (account === undefined) throw new TallyError('unauthenticated', 'The account is gone');
      return c.json(
        {
          success: true as const,
          id: account.id,
          email: account.email,
          role: account.role,
          token_usage_remaining: tokensLeftPercent(standing),
          subscription_remaining: daysLeftPercent(standing, Date.now()),
          created_at: account.createdAt.toISOString(),
        },
        200,
      );
    })
    .openapi(overview, async (c) => {
      const standing = await getBalance(billing, c.get('identity').accountId);
      return c.json(
        {
          success: true as const,
          token_usage_remaining: tokensLeftPercent(standing),
          current_subscription: toSubscription(standing),
        },
        200,
      );
    });
}

const toKeysLeft = ({ endedKeys, keptKeys }: EndedSessions) => ({ api_keys_ended: endedKeys, api_keys_kept: keptKeys });

const toApiKey = (row: { id: string; name: string; hint: string; createdAt: Date }) => ({
  id: row.id,
  name: row.name,
  hint: row.hint,
  created_at: row.createdAt.toISOString(),
});

// Rounded down to two decimals: a page never shows more than there is.
const floorPercent = (part: number, whole: number): number =>
  whole <= 0 ? 0 : Math.max(0, Math.min(100, Math.floor((part / whole) * 10_000) / 100));

const tokensLeftPercent = ({ balance }: Standing): number =>
  floorPercent(balance.remainingTokens, balance.grantedTokens);

function daysLeftPercent({ subscription }: Standing, nowMs: number): number {
  if (subscription === undefined) return 0;
  const { startsAt, endsAt } = subscription;
  return floorPercent(endsAt.getTime() - nowMs, endsAt.getTime() - startsAt.getTime());
}
