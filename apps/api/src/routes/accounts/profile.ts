/** Routes on an account's own profile and overview. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { getBalance, remainingPercent } from '@tally/billing';
import { TallyError } from '@tally/core';
import { findAccount } from '@tally/db';
import { bearer, Created, errorResponses, jsonResponse, Subscription, toSubscription } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

const percent = z.number().min(0).max(100);
const base = { tags: ['Accounts'], security: bearer };
const profile = createRoute({
  ...base,
  method: 'get',
  path: '/api/accounts/profile',
  summary: 'Who am I, and how much is left',
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
  ...base,
  method: 'get',
  path: '/api/accounts/overview',
  summary: 'The account’s subscription and tokens',
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
          token_usage_remaining: remainingPercent(standing).tokens,
          subscription_remaining: remainingPercent(standing).days,
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
          token_usage_remaining: remainingPercent(standing).tokens,
          current_subscription: toSubscription(standing),
        },
        200,
      );
    });
}
