/** The tables as Drizzle sees them, for the queries that are not hot. The migrations are the definition. */
import { bigint, boolean, customType, integer, jsonb, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';

const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });
const moment = (name: string) => timestamp(name, { withTimezone: true });
const tokens = (name: string) => bigint(name, { mode: 'number' });

export const accounts = pgTable('accounts', {
  id: uuid('id').primaryKey(),
  email: text('email').notNull(),
  passwordHash: text('password_hash').notNull(),
  role: text('role').$type<'tenant' | 'operator'>().notNull().default('tenant'),
  tokenVersion: integer('token_version').notNull().default(1),
  createdAt: moment('created_at').notNull().defaultNow(),
  erasedAt: moment('erased_at'),
  emailConfirmedAt: moment('email_confirmed_at'),
  totpSecret: text('totp_secret'),
  totpEnabledAt: moment('totp_enabled_at'),
  suspendedAt: moment('suspended_at'),
  suspendedReason: text('suspended_reason'),
});

export const apiKeys = pgTable('api_keys', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  name: text('name').notNull(),
  keyHash: bytea('key_hash').notNull(),
  hint: text('hint').notNull(),
  operatorScope: text('operator_scope').$type<'none' | 'read' | 'write'>().notNull().default('none'),
  createdAt: moment('created_at').notNull().defaultNow(),
});

export const recoveryCodes = pgTable('recovery_codes', {
  accountId: uuid('account_id').notNull(),
  codeHash: bytea('code_hash').notNull(),
});

export const plans = pgTable('plans', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  tokens: tokens('tokens').notNull(),
  periodDays: integer('period_days').notNull(),
});

export const subscriptions = pgTable('subscriptions', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  planId: text('plan_id').notNull(),
  periodTokens: tokens('period_tokens').notNull(),
  status: text('status').notNull(),
  renews: boolean('renews').notNull(),
  isCurrent: boolean('is_current').notNull(),
  startsAt: moment('starts_at').notNull(),
  endsAt: moment('ends_at').notNull(),
});

export const jobs = pgTable('jobs', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  task: text('task').notNull(),
  status: text('status').$type<JobStatus>().notNull(),
  input: jsonb('input'),
  result: jsonb('result'),
  progress: text('progress'),
  error: text('error'),
  errorCode: text('error_code'),
  createdAt: moment('created_at').notNull(),
  startedAt: moment('started_at'),
  finishedAt: moment('finished_at'),
});

export const knowledge = pgTable('knowledge', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  title: text('title').notNull(),
  text: text('text').notNull(),
  createdAt: moment('created_at').notNull().defaultNow(),
});

/** A job's life: `queued → running → completed | failed | rejected | cancelled`. */
export const jobStatuses = ['queued', 'running', 'completed', 'failed', 'rejected', 'cancelled'] as const;
export type JobStatus = (typeof jobStatuses)[number];

/** Whether a job in this status will never run again by itself. */
export const isEnded = (status: JobStatus): boolean => status !== 'queued' && status !== 'running';
