/** Operators' routes on accounts: subscriptions, grants, bookings, suspension. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { getBalance, grantTokens, subscribe } from '@tally/billing';
import { boundedText, newId, TallyError } from '@tally/core';
import { type Account, cancelBooking, findAccountByEmail, setSuspended } from '@tally/db';
import { withIdempotency } from '../../http/idempotency.ts';
import { limits } from '../../limits.ts';
import { bearer, errorResponses, jsonBody, jsonResponse, Subscription, toSubscription } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

const Reason = boundedText(limits.maxReasonCharacters);
const AllowUnconfirmed = z.boolean().default(false).openapi({
  description: 'Also where nobody has confirmed the address yet: whoever has the account may be anybody',
});
// A period that began later would end beyond the years that ISO 8601 writes with four digits.
const Moment = z.iso
  .datetime({ offset: true })
  .refine((text) => Date.parse(text) < Date.UTC(9_999, 0), 'must be before the year 9999');
const Acted = { email: z.string(), subscription: Subscription };
const Headers = z.object({ 'idempotency-key': z.string().min(1).max(limits.maxIdempotencyKeyCharacters).optional() });

const base = { tags: ['Operators'], security: bearer };
const subscribeRoute = createRoute({
  ...base,
  method: 'post',
  path: '/api/admin/subscriptions',
  summary: 'Start a subscription and end the running one (top-ups move over), or book one that begins later',
  request: {
    headers: Headers,
    ...jsonBody(
      z.object({
        email: z.email(),
        plan: z.string().openapi({ example: 'growth' }),
        allow_unconfirmed: AllowUnconfirmed,
        tokens: z.int().min(0).max(limits.maxGrantTokens).optional(),
        status: z.enum(['active', 'inactive', 'expired']).default('active'),
        starts_at: Moment.optional(),
        ends_at: Moment.optional(),
        renews: z.boolean().optional().openapi({ description: 'By default true, unless `ends_at` is given' }),
      }),
    ),
  },
  responses: {
    201: jsonResponse('The subscription', Acted),
    ...errorResponses(400, 401, 403, 404, 409),
  },
});
const grant = createRoute({
  ...base,
  method: 'post',
  path: '/api/admin/grants',
  summary: 'Add tokens to the running subscription; a negative number takes away what is free',
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
        reason: Reason,
        allow_unconfirmed: AllowUnconfirmed,
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

const acted = { 200: jsonResponse('The subscription', Acted), ...errorResponses(400, 401, 403, 404) };
const unbook = createRoute({
  ...base,
  method: 'delete',
  path: '/api/admin/subscriptions/booked',
  summary: 'Take back a subscription that was booked and has not begun',
  request: { query: z.object({ email: z.email() }) },
  responses: acted,
});
const suspend = createRoute({
  ...base,
  method: 'post',
  path: '/api/admin/accounts/suspend',
  summary: 'Suspend an account: its tasks are refused, its period, balance and numbers stay as they are',
  request: jsonBody(z.object({ email: z.email(), reason: Reason })),
  responses: acted,
});
const resume = createRoute({
  ...base,
  method: 'post',
  path: '/api/admin/accounts/resume',
  summary: 'End a suspension: nothing starts anew',
  request: jsonBody(z.object({ email: z.email() })),
  responses: acted,
});

export function adminRoutes(services: ApiServices) {
  const { db, billing, log } = services;
  const accountByEmail = async (email: string): Promise<Account> => {
    const account = await findAccountByEmail(db, email);
    if (account === undefined) throw new TallyError('not_found', 'There is no account with this e-mail address');
    return account;
  };
  /** An unconfirmed address may not belong to the account's holder. @throws TallyError `conflict` */
  const requireConfirmed = ({ emailConfirmedAt }: Account, isAllowed: boolean): void => {
    if (emailConfirmedAt !== null || isAllowed) return;
    throw new TallyError(
      'conflict',
      'Nobody has confirmed this e-mail address, so the account may be anybody’s: send allow_unconfirmed: true to act all the same',
    );
  };
  /** Applies `change` to an account, once per key, and returns its subscription afterwards. */
  const changeOnce = (
    account: Account,
    request: { route: string; key: string | undefined; input: unknown },
    change: () => Promise<unknown>,
  ) =>
    withIdempotency(db, { ...request, accountId: account.id }, async () => {
      await change();
      return show(account);
    });
  const show = async ({ id, email }: Account) => ({
    success: true as const,
    email,
    subscription: toSubscription(await getBalance(billing, id)),
  });
  const setReason = async (by: string, email: string, reason: string | null) => {
    const account = await accountByEmail(email);
    await setSuspended(db, account.id, reason);
    log.info({ account_id: account.id, by }, reason === null ? 'account resumed' : 'account suspended');
    return show(account);
  };
  return new OpenAPIHono<ApiEnv>()
    .openapi(subscribeRoute, async (c) => {
      const input = c.req.valid('json');
      const account = await accountByEmail(input.email);
      requireConfirmed(account, input.allow_unconfirmed);
      const request = { route: subscribeRoute.path, key: c.req.valid('header')['idempotency-key'], input };
      const toDate = (text: string | undefined) => (text === undefined ? undefined : new Date(text));
      const body = await changeOnce(account, request, () =>
        subscribe(billing, {
          accountId: account.id,
          planId: input.plan,
          tokens: input.tokens,
          status: input.status,
          startsAt: toDate(input.starts_at),
          endsAt: toDate(input.ends_at),
          renews: input.renews,
          idempotencyKey: request.key,
          grantedBy: c.get('identity').accountId,
        }),
      );
      return c.json(body, 201);
    })
    .openapi(grant, async (c) => {
      const input = c.req.valid('json');
      const account = await accountByEmail(input.email);
      if (input.tokens > 0) requireConfirmed(account, input.allow_unconfirmed);
      const request = { route: grant.path, key: c.req.valid('header')['idempotency-key'], input };
      const body = await changeOnce(account, request, () =>
        grantTokens(billing, {
          accountId: account.id,
          tokens: input.tokens,
          reason: input.reason,
          idempotencyKey: `admin:${account.id}:${request.key ?? newId()}`,
          grantedBy: c.get('identity').accountId,
        }),
      );
      return c.json({ ...body, tokens: input.tokens }, 201);
    })
    .openapi(unbook, async (c) => {
      const account = await accountByEmail(c.req.valid('query').email);
      if (!(await cancelBooking(db, account.id))) throw new TallyError('not_found', 'Nothing is booked');
      return c.json(await show(account), 200);
    })
    .openapi(suspend, async (c) => {
      const { email, reason } = c.req.valid('json');
      return c.json(await setReason(c.get('identity').accountId, email, reason), 200);
    })
    .openapi(resume, async (c) =>
      c.json(await setReason(c.get('identity').accountId, c.req.valid('json').email, null), 200),
    );
}
