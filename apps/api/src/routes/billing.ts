/** Billing routes: balance, subscription, plans, usage; every count comes from the same balance. */
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi';
import { getBalance } from '@tally/billing';
import { listPlans, readStorage, readUsage } from '@tally/db';
import { bodyOf } from '../rows.ts';
import {
  AiUsage,
  bearer,
  errorResponses,
  jsonResponse,
  Plan,
  Subscription,
  toAiUsage,
  toSubscription,
} from '../schemas.ts';
import type { ApiEnv, ApiServices } from '../services.ts';

const Usage = z.object({
  day: z.string(),
  task: z.string(),
  model: z.string(),
  calls: z.int(),
  input_tokens: z.int(),
  output_tokens: z.int(),
  tokens_billed: z.int(),
});
const base = { tags: ['Billing'], security: bearer };
const overview = createRoute({
  ...base,
  method: 'get',
  path: '/api/billing/overview',
  summary: 'Tokens: consumed, included, remaining, held',
  responses: {
    200: jsonResponse('The balance', {
      ai_tokens_total: z.int(),
      original_tokens_included: z.int(),
      actual_tokens_remaining: z.int(),
      tokens_held: z.int(),
      storage_bytes_used: z.int(),
      storage_bytes_limit: z.int(),
      status: Subscription.shape.status,
      refusal: Subscription.shape.refusal,
    }),
    ...errorResponses(401),
  },
});
const subscription = createRoute({
  ...base,
  method: 'get',
  path: '/api/billing/subscription',
  summary: 'The running subscription',
  responses: { 200: jsonResponse('The subscription', Subscription.shape), ...errorResponses(401) },
});
const plans = createRoute({
  ...base,
  method: 'get',
  path: '/api/billing/plans',
  summary: 'The plans on offer, and the one that runs',
  responses: {
    200: jsonResponse('The plans', {
      plans: z.array(Plan),
      current: z.object({ plan: z.string().nullable(), tokens_remaining: z.int(), ai_usage: AiUsage }),
    }),
    ...errorResponses(401),
  },
});
const usage = createRoute({
  ...base,
  method: 'get',
  path: '/api/billing/usage',
  summary: 'Usage by UTC day, task and model',
  request: { query: z.object({ days: z.coerce.number().int().min(1).max(366).default(31) }) },
  responses: {
    200: jsonResponse('Newest day first', {
      usage: z.array(Usage),
    }),
    ...errorResponses(400, 401),
  },
});

export function billingRoutes({ db, billing }: ApiServices) {
  return new OpenAPIHono<ApiEnv>()
    .openapi(overview, async (c) => {
      const { accountId } = c.get('identity');
      const [standing, storage] = await Promise.all([getBalance(billing, accountId), readStorage(db.pool, accountId)]);
      const { total_tokens_consumed: ai_tokens_total, ...tokens } = toAiUsage(standing);
      const { status, refusal } = toSubscription(standing);
      const stored = { storage_bytes_used: storage.usedBytes, storage_bytes_limit: storage.limitBytes };
      const body = { ai_tokens_total, ...tokens, tokens_held: standing.balance.heldTokens, ...stored, status, refusal };
      return c.json({ success: true as const, ...body }, 200);
    })
    .openapi(subscription, async (c) => {
      const standing = await getBalance(billing, c.get('identity').accountId);
      return c.json({ success: true as const, ...toSubscription(standing) }, 200);
    })
    .openapi(plans, async (c) => {
      const [all, standing] = await Promise.all([listPlans(db), getBalance(billing, c.get('identity').accountId)]);
      const tokens = { tokens_remaining: standing.balance.remainingTokens, ai_usage: toAiUsage(standing) };
      const current = { plan: standing.subscription?.plan.id ?? null, ...tokens };
      return c.json({ success: true as const, plans: all.map(bodyOf(Plan)), current }, 200);
    })
    .openapi(usage, async (c) => {
      const rows = await readUsage(db, c.get('identity').accountId, c.req.valid('query').days);
      return c.json({ success: true as const, usage: rows.map(bodyOf(Usage)) }, 200);
    });
}
