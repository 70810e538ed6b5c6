/** Zod schemas and row mappers that several routes share. */
import { z } from '@hono/zod-openapi';
import { refusalOf } from '@tally/billing';
import { jobStatuses, type Standing } from '@tally/db';
import { limits } from './limits.ts';
import { bodyOf } from './rows.ts';

export const AiUsage = z
  .object({
    total_tokens_consumed: z.int(),
    original_tokens_included: z.int(),
    actual_tokens_remaining: z.int(),
  })
  .openapi('AiUsage');

export const Plan = z
  .object({ id: z.string(), name: z.string(), tokens: z.int(), period_days: z.int() })
  .openapi('Plan');

export const Subscription = z
  .object({
    plan: z.object({ id: z.string(), name: z.string() }).nullable(),
    status: z.enum(['active', 'inactive', 'expired', 'none']),
    starts_at: z.iso.datetime().nullable(),
    ends_at: z.iso.datetime().nullable(),
    renews: z.boolean(),
    refusal: z
      .enum(['subscription_expired', 'subscription_inactive', 'no_subscription', 'no_tokens_remaining'])
      .nullable()
      .openapi({ description: 'Why tasks are refused now; null where they are not' }),
    suspended_at: z.iso
      .datetime()
      .nullable()
      .openapi({ description: 'Since when an operator has suspended the account' }),
    booked: z
      .object({ plan: z.string(), tokens: z.int(), starts_at: z.iso.datetime() })
      .nullable()
      .openapi({ description: 'The subscription that begins after this one' }),
    tokens_remaining: z.int(),
    ai_usage: AiUsage,
  })
  .openapi('Subscription');

/** The three token counts, under the names that every endpoint uses. */
export function toAiUsage({ balance }: Standing): z.infer<typeof AiUsage> {
  return {
    total_tokens_consumed: balance.consumedTokens,
    original_tokens_included: balance.grantedTokens,
    actual_tokens_remaining: balance.remainingTokens,
  };
}

/** The current subscription; without one, status `none` and zeros. */
export function toSubscription(standing: Standing): z.infer<typeof Subscription> {
  const { subscription, balance } = standing;
  return {
    plan: subscription?.plan ?? null,
    status: subscription?.status ?? 'none',
    starts_at: subscription?.startsAt.toISOString() ?? null,
    ends_at: subscription?.endsAt.toISOString() ?? null,
    renews: subscription?.renews ?? false,
    refusal: refusalOf(standing, 1),
    suspended_at: subscription?.suspendedAt?.toISOString() ?? null,
    booked: subscription?.booked
      ? {
          plan: subscription.booked.plan.id,
          tokens: subscription.booked.tokens,
          starts_at: subscription.booked.startsAt.toISOString(),
        }
      : null,
    tokens_remaining: balance.remainingTokens,
    ai_usage: toAiUsage(standing),
  };
}

export const Job = z
  .object({
    id: z.uuid(),
    task: z.string(),
    status: z.enum(jobStatuses),
    progress: z.string().nullable(),
    result: z.unknown(),
    error: z.string().nullable(),
    error_code: z.string().nullable(),
    tokens_consumed: z.int(),
    created_at: z.iso.datetime(),
    started_at: z.iso.datetime().nullable(),
    finished_at: z.iso.datetime().nullable(),
  })
  .openapi('Job');

export const JobSummary = Job.omit({ result: true, progress: true, tokens_consumed: true }).openapi('JobSummary');

export const toJobSummary = bodyOf(JobSummary);
export const toJob = bodyOf(Job);

export const Created = z.iso.datetime();

const ErrorBody = z
  .object({
    success: z.literal(false),
    error: z.string(),
    error_code: z.string(),
    request_id: z.string(),
    details: z.unknown().optional(),
  })
  .openapi('Error');

const RefusalBody = z
  .object({
    success: z.literal(false),
    error: z.string(),
    error_code: z.enum(['no_tokens_remaining', 'subscription_expired', 'subscription_inactive', 'no_subscription']),
    request_id: z.string(),
    tokens_remaining: z.int(),
    original_tokens: z.int(),
    consumed_tokens: z.int(),
  })
  .openapi('Refusal');

const descriptions: Record<number, string> = {
  400: 'The input is not valid (`details` says where)',
  401: 'Not logged in',
  402: 'The account may not use AI now',
  403: 'Not allowed',
  404: 'Not found, or not yours',
  409: 'In conflict with what is there',
  413: 'Too large',
  429: 'Too many requests; see `Retry-After`',
  503: 'A dependency is away; see `Retry-After`',
};

/** OpenAPI responses for a route's error statuses; 400, 429 and 503 are always included. */
export function errorResponses(...statuses: number[]) {
  return Object.fromEntries(
    [...new Set([400, ...statuses, 429, 503])].map((status) => [
      status,
      {
        description: descriptions[status] ?? 'Error',
        content: { 'application/json': { schema: status === 402 ? RefusalBody : ErrorBody } },
      },
    ]),
  );
}

/** OpenAPI response for a `{success: true, …}` body. */
export function jsonResponse<Shape extends z.ZodRawShape>(description: string, shape: Shape) {
  return {
    description,
    content: { 'application/json': { schema: z.object({ success: z.literal(true), ...shape }) } },
  };
}

/** A required JSON body. */
export function jsonBody<Schema extends z.ZodType>(schema: Schema) {
  return { body: { required: true, content: { 'application/json': { schema } } } };
}

/** A UUID in any case; lower case is the stored form. */
export const IdParam = z.object({ id: z.uuid().toLowerCase() });

/** An Instagram id: a string, since it can exceed 2^53. */
export const IgId = z.string().regex(/^\d{1,40}$/, 'must be a string of digits');

const isPasswordLength = (text: string) => text.length <= limits.maxPasswordCharacters;

/** A new password; its NFKC form is measured and hashed. */
export const NewPassword = z
  .string()
  .normalize('NFKC')
  .min(limits.minPasswordCharacters)
  .max(limits.maxPasswordCharacters);

/** A password to check, as typed; either this form or its NFKC form must be within the length limit. */
export const GivenPassword = z
  .string()
  .min(1)
  .refine((typed) => isPasswordLength(typed) || isPasswordLength(typed.normalize('NFKC')), {
    message: `must have at most ${limits.maxPasswordCharacters} characters`,
  });

/** A six-digit authenticator code, or a recovery code. */
export const Code = z.string().trim().min(6).max(40).openapi({ example: '123456' });

/** OpenAPI security of authenticated routes: a bearer token or an API key. */
export const bearer = [{ bearer: [] }];
