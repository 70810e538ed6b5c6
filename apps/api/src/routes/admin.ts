/** What operators do to accounts: start subscriptions, add tokens, take them away. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { getBalance, grantTokens } from '@tally/billing';
import { newId, TallyError } from '@tally/core';
import { type Account, findAccountByEmail, listPlans, startPeriod } from '@tally/db';
import { withIdempotency } from '../http/idempotency.ts';
import { limits } from '../limits.ts';
import { bearer, errorResponses, jsonBody, jsonResponse, Subscription, toSubscription } from '../schemas.ts';
import type { ApiEnv, ApiServices } from '../services.ts';

const dayMs = 86_400_000;
const Headers = z.object({ 'idempotency-key': z.string().min(1).max(limits.maxIdempotencyKeyCharacters).optional() });

const subscribe = createRoute({
  method: 'post',
  path: '/api/admin/subscriptions',
  tags: ['Operators'],
  summary: 'Start a subscription and end the running one; top-ups move over',
  security: bearer,
  request: {
    headers: Headers,
    ...jsonBody(
      z.object({
        email: z.email(),
        plan: z.string().openapi({ example: 'growth' }),
        tokens: z.int().min(0).max(limits.maxGrantTokens).optional(),
        status: z.enum(['active', 'inactive', 'expired']).default('active'),
        starts_at: z.iso.datetime({ offset: true }).optional(),
        ends_at: z.iso.datetime({ offset: true }).optional(),
        renews: z.boolean().optional().openapi({ description: 'By default true, unless `ends_at` is given' }),
      }),
    ),
  },
  responses: {
    201: jsonResponse('The subscription', { email: z.string(), subscription: Subscription }),
    ...errorResponses(400, 401, 403, 404, 409),
  },
});
const grant = createRoute({
  method: 'post',
  path: '/api/admin/grants',
  tags: ['Operators'],
  summary: 'Add tokens to the running subscription; a negative number takes away what is free',
  security: bearer,
  request: {
    headers: Headers,
    ...jsonBody(
      z.object({
        email: z.email(),
        tokens: z
          .int()
          .min(-limits.maxGrantTokens)
          .max(limits.maxGrantTokens)
          .refine((tokens) => tokens !== 0, 'must not be 0'),
        reason: z.string().trim().min(1).max(limits.maxReasonCharacters),
      }),
    ),
  },
  responses: {
    201: jsonResponse('The subscription afterwards', {
      email: z.string(),
      tokens: z.int(),
      subscription: Subscription,
    }),
    ...errorResponses(400, 401, 403, 404, 409),
  },
});

export function adminRoutes(services: ApiServices) {
  const { db, billing } = services;
  const target = async (email: string): Promise<Account> => {
    const account = await findAccountByEmail(db, email);
    if (account === undefined) throw new TallyError('not_found', 'There is no account with this e-mail address');
    return account;
  };
  /** Acts on an account, once a key, and answers with its subscription afterwards. */
  const act = (
    account: Account,
    request: { route: string; key: string | undefined; input: unknown },
    change: () => Promise<unknown>,
  ) =>
    withIdempotency(db, { ...request, accountId: account.id }, async () => {
      await change();
      const subscription = toSubscription(await getBalance(billing, account.id));
      return { success: true as const, email: account.email, subscription };
    });
  return new OpenAPIHono<ApiEnv>()
    .openapi(subscribe, async (c) => {
      const input = c.req.valid('json');
      const account = await target(input.email);
      const plan = (await listPlans(db)).find(({ id }) => id === input.plan);
      if (plan === undefined) throw invalidField('plan', 'There is no such plan');
      const startsAt =
        input.starts_at === undefined ? impliedStart(input.ends_at, plan.periodDays) : new Date(input.starts_at);
      const endsAt =
        input.ends_at === undefined ? new Date(startsAt.getTime() + plan.periodDays * dayMs) : new Date(input.ends_at);
      if (endsAt < startsAt) throw invalidField('ends_at', 'ends_at is before starts_at');
      const request = { route: subscribe.path, key: c.req.valid('header')['idempotency-key'], input };
      const body = await act(account, request, () =>
        startPeriod(db, {
          accountId: account.id,
          planId: plan.id,
          tokens: input.tokens ?? plan.tokens,
          status: input.status,
          renews: input.renews ?? input.ends_at === undefined,
          startsAt,
          endsAt,
          grantedBy: c.get('identity').accountId,
        }),
      );
      return c.json(body, 201);
    })
    .openapi(grant, async (c) => {
      const input = c.req.valid('json');
      const account = await target(input.email);
      const request = { route: grant.path, key: c.req.valid('header')['idempotency-key'], input };
      const body = await act(account, request, () =>
        grantTokens(billing, {
          accountId: account.id,
          tokens: input.tokens,
          reason: input.reason,
          idempotencyKey: `admin:${account.id}:${request.key ?? newId()}`,
          grantedBy: c.get('identity').accountId,
        }),
      );
      return c.json({ ...body, tokens: input.tokens }, 201);
    });
}

const invalidField = (path: string, message: string) =>
  new TallyError('invalid_input', message, { details: [{ path, message }] });

/** A subscription that is to end in the past has to have begun before that. */
function impliedStart(endsAt: string | undefined, periodDays: number): Date {
  const now = new Date();
  if (endsAt === undefined || new Date(endsAt) > now) return now;
  return new Date(new Date(endsAt).getTime() - periodDays * dayMs);
}
