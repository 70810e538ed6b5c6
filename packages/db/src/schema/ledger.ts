/** Plans and periods, the ledger's two logs and their balances, and what is known of models and of trouble. */
import { boolean, integer, jsonb, pgTable, real, text, uuid } from 'drizzle-orm/pg-core';
import { int8, moment } from './types.ts';

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
  startsAt: moment('starts_at').notNull(),
  endsAt: moment('ends_at').notNull(),
  carriedOver: boolean('carried_over').notNull().default(false),
  createdAt: moment('created_at').notNull().defaultNow(),
});

export const bookedPeriods = pgTable('booked_periods', {
  accountId: uuid('account_id').primaryKey(),
  id: uuid('id').notNull(),
  planId: text('plan_id').notNull(),
  periodTokens: int8('period_tokens').notNull(),
  renews: boolean('renews').notNull(),
  startsAt: moment('starts_at').notNull(),
  endsAt: moment('ends_at').notNull(),
  bookedBy: uuid('booked_by'),
  createdAt: moment('created_at').notNull().defaultNow(),
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
  createdAt: moment('created_at').notNull().defaultNow(),
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
  createdAt: moment('created_at').notNull().defaultNow(),
});

export const tokenHolds = pgTable('token_holds', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  subscriptionId: uuid('subscription_id').notNull(),
  jobId: uuid('job_id').notNull(),
  step: text('step').notNull(),
  fence: integer('fence').notNull(),
  tokens: int8('tokens').notNull(),
  expiresAt: moment('expires_at').notNull(),
});

export const modelTraits = pgTable('model_traits', {
  provider: text('provider').notNull(),
  model: text('model').notNull(),
  jsonMode: text('json_mode').$type<'json_schema' | 'json_object' | 'none'>().notNull(),
  capField: text('cap_field').$type<'max_tokens' | 'max_completion_tokens' | 'both'>().notNull(),
  latinFactor: real('latin_factor').notNull(),
  otherFactor: real('other_factor').notNull(),
  updatedAt: moment('updated_at').notNull().defaultNow(),
});

/**
 * `ledger`: a subscription's balance is not the sum of its rows.
 * `cap_ignored`: a model's server gives more output than it is allowed.
 * `model_request`: a model's server does not understand or allow a request of ours.
 * `provider`: the model's provider answers nothing: its key, a bill, the model's name, or an outage.
 * `unpaid_usage`: a model uses more than is held for its calls, again and again, and accounts can't pay for it.
 */
export type AlarmKind = 'ledger' | 'cap_ignored' | 'model_request' | 'provider' | 'unpaid_usage';

export const alarms = pgTable('alarms', {
  id: uuid('id').primaryKey(),
  kind: text('kind').$type<AlarmKind>().notNull(),
  subject: uuid('subject').notNull(),
  what: text('what').notNull(),
  raisedAt: moment('raised_at').notNull().defaultNow(),
  lastSeenAt: moment('last_seen_at').notNull().defaultNow(),
  goneAt: moment('gone_at'),
});
