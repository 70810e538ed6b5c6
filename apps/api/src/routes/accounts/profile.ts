/** Routes on an account's own profile and overview. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { getBalance, remainingPercent } from '@tally/billing';
import { readOwnAccount } from '../../auth/require.ts';
import { bodyOf } from '../../rows.ts';
import { bearer, Created, errorResponses, jsonResponse, Subscription, toSubscription } from '../../schemas.ts';
import type { ApiEnv, ApiServices } from '../../services.ts';

const Profile = z.object({
  id: z.uuid(),
  email: z.string(),
  role: z.enum(['tenant', 'operator']),
  created_at: Created,
});
const toProfile = bodyOf(Profile);
const percent = z.number().min(0).max(100);
const base = { tags: ['Accounts'], security: bearer };
const profile = createRoute({
  ...base,
  method: 'get',
  path: '/api/accounts/profile',
  summary: 'Who am I, and how much is left',
  responses: {
    200: jsonResponse('The account', {
      ...Profile.shape,
      email_confirmed: z.boolean(),
      token_usage_remaining: percent,
      subscription_remaining: percent,
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
      const [account, standing] = await Promise.all([
        readOwnAccount(db, c),
        getBalance(billing, c.get('identity').accountId),
      ]);
      const { tokens: token_usage_remaining, days: subscription_remaining } = remainingPercent(standing);
      const email_confirmed = account.emailConfirmedAt !== null;
      const body = { ...toProfile(account), email_confirmed, token_usage_remaining, subscription_remaining };
      return c.json({ success: true as const, ...body }, 200);
    })
    .openapi(overview, async (c) => {
      const standing = await getBalance(billing, c.get('identity').accountId);
      const { tokens: token_usage_remaining } = remainingPercent(standing);
      const current_subscription = toSubscription(standing);
      return c.json({ success: true as const, token_usage_remaining, current_subscription }, 200);
    });
}
