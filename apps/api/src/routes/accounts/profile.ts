/** Routes on an account's own profile and overview. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { getBalance } from '@tally/billing';
import { TallyError } from '@tally/core';
import { findAccount, type Standing } from '@tally/db';
import { bearer, Created, errorResponses, jsonResponse, Subscription, toSubscription } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

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
      email_confirmed: z.boolean(),
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

export function profileRoutes({ db, billing }: ApiServices) {
  return new OpenAPIHono<ApiEnv>()
    .openapi(profile, async (c) => {
      const { accountId } = c.get('identity');
      const [account, standing] = await Promise.all([findAccount(db, accountId), getBalance(billing, accountId)]);
      if (account === undefined) throw new TallyError('unauthenticated', 'The account is gone');
      return c.json(
        {
          success: true as const,
          id: account.id,
          email: account.email,
          email_confirmed: account.emailConfirmedAt !== null,
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

// Rounded down to two decimals, so that no page shows more than is left.
const floorPercent = (part: number, whole: number): number =>
  whole <= 0 ? 0 : Math.max(0, Math.min(100, Math.floor((part / whole) * 10_000) / 100));

const tokensLeftPercent = ({ balance }: Standing): number =>
  floorPercent(balance.remainingTokens, balance.grantedTokens);

function daysLeftPercent({ subscription }: Standing, nowMs: number): number {
  if (subscription === undefined) return 0;
  const { startsAt, endsAt } = subscription;
  return floorPercent(endsAt.getTime() - nowMs, endsAt.getTime() - startsAt.getTime());
}
