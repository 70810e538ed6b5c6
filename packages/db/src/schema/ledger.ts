/** Plans and periods, the ledger's two logs and their balances, traits of models, and alarms. */
import { boolean, integer, jsonb, pgTable, real, text, uuid } from '../drizzle.ts';
import { int8, timestamptz } from './types.ts';

export const plans = pgTable('plans', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  tokens: int8('tokens').notNull(),
  periodDays: integer('period_days').notNull(),
  storageBytes: int8('storage_bytes').notNull().default(20_000_000),
});

export const subscriptions = pgTable('subscriptions', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  planId: text('plan_id').notNull(),
  periodTokens: int8('period_tokens').notNull(),
  status: text('status').$type<'active' | 'inactive' | 'expired' | 'ended'>().notNull(),
  renews: boolean('renews').notNull(),
  isCurrent: boolean('is_current').notNull().default(true),
  startsAt: timestamptz('starts_at').notNull(),
  endsAt: timestamptz('ends_at').notNull(),
  carriedOver: boolean('carried_over').notNull().default(false),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
});

export const bookedPeriods = pgTable('booked_periods', {
  accountId: uuid('account_id').primaryKey(),
  id: uuid('id').notNull(),
  planId: text('plan_id').notNull(),
  periodTokens: int8('period_tokens').notNull(),
  renews: boolean('renews').notNull(),
  startsAt: timestamptz('starts_at').notNull(),
  endsAt: timestamptz('ends_at').notNull(),
  bookedBy: uuid('booked_by'),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
});

export const subscriptionBalances = pgTable('subscription_balances', {
  subscriptionId: uuid('subscription_id').primaryKey(),
  tokensGranted: int8('tokens_granted').notNull().default(0),
  tokensConsumed: int8('tokens_consumed').notNull().default(0),
  version: int8('version').notNull().default(1),
});

export const tokenGrants = pgTable('token_grants', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  subscriptionId: uuid('subscription_id').notNull(),
  kind: text('kind').$type<'period' | 'top_up' | 'adjustment' | 'refund' | 'carry_over' | 'take_back'>().notNull(),
  tokens: int8('tokens').notNull(),
  reason: text('reason').notNull(),
  idempotencyKey: text('idempotency_key').notNull(),
  grantedBy: uuid('granted_by'),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
});

export const aiUsageLog = pgTable('ai_usage_log', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  subscriptionId: uuid('subscription_id').notNull(),
  jobId: uuid('job_id').notNull(),
  step: text('step').notNull(),
  fence: integer('fence').notNull(),
  task: text('task').notNull(),
  model: text('model').notNull(),
  inputTokens: int8('input_tokens').notNull(),
  cachedInputTokens: int8('cached_input_tokens').notNull(),
  outputTokens: int8('output_tokens').notNull(),
  reasoningTokens: int8('reasoning_tokens').notNull(),
  totalTokens: int8('total_tokens').notNull(),
  billedTokens: int8('billed_tokens').notNull(),
  evidence: text('evidence').$type<'reported' | 'estimated' | 'unknown'>().notNull(),
  outcome: text('outcome').notNull(),
  refusedUsage: jsonb('refused_usage'),
  providerRequestId: text('provider_request_id'),
  latencyMs: integer('latency_ms').notNull(),
  reason: text('reason'),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
});

export const tokenHolds = pgTable('token_holds', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  subscriptionId: uuid('subscription_id').notNull(),
  jobId: uuid('job_id').notNull(),
  step: text('step').notNull(),
  fence: integer('fence').notNull(),
  tokens: int8('tokens').notNull(),
  expiresAt: timestamptz('expires_at').notNull(),
});

export const modelTraits = pgTable('model_traits', {
  provider: text('provider').notNull(),
  model: text('model').notNull(),
  jsonMode: text('json_mode').$type<'json_schema' | 'json_object' | 'none'>().notNull(),
  capField: text('cap_field').$type<'max_tokens' | 'max_completion_tokens' | 'both'>().notNull(),
  latinFactor: real('latin_factor').notNull(),
  otherFactor: real('other_factor').notNull(),
  updatedAt: timestamptz('updated_at').notNull().defaultNow(),
});

/**
 * `ledger`: a subscription's balance is not the sum of its rows.
 * `cap_ignored`: a model's server ignores the limit of output tokens.
 * `model_request`: a model's server refuses our requests as malformed or not allowed.
 * `provider`: the provider answers no call: a wrong key or model name, an unpaid bill, or an outage.
 * `unpaid_usage`: calls of a model repeatedly use more tokens than could be held for them.
 */
export type AlarmKind = 'ledger' | 'cap_ignored' | 'model_request' | 'provider' | 'unpaid_usage';

export const alarms = pgTable('alarms', {
  id: uuid('id').primaryKey(),
  kind: text('kind').$type<AlarmKind>().notNull(),
  subject: uuid('subject').notNull(),
  what: text('what').notNull(),
  raisedAt: timestamptz('raised_at').notNull().defaultNow(),
  lastSeenAt: timestamptz('last_seen_at').notNull().defaultNow(),
  goneAt: timestamptz('gone_at'),
});
