/** Accounts, and how their owners log in. */
import { integer, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { bytea, int8, moment } from './types.ts';

export const accounts = pgTable('accounts', {
  id: uuid('id').primaryKey(),
  email: text('email').notNull(),
  passwordHash: text('password_hash').notNull(),
  role: text('role').$type<'tenant' | 'operator'>().notNull().default('tenant'),
  tokenVersion: integer('token_version').notNull().default(1),
  createdAt: moment('created_at').notNull().defaultNow(),
  erasedAt: moment('erased_at'),
  erasureEndedAt: moment('erasure_ended_at'),
  suspendedAt: moment('suspended_at'),
  suspendedReason: text('suspended_reason'),
  emailConfirmedAt: moment('email_confirmed_at'),
  totpSecret: text('totp_secret'),
  totpEnabledAt: moment('totp_enabled_at'),
  totpLastStep: int8('totp_last_step').notNull().default(0),
});

export const apiKeys = pgTable('api_keys', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  name: text('name').notNull(),
  keyHash: bytea('key_hash').notNull(),
  hint: text('hint').notNull(),
  createdAt: moment('created_at').notNull().defaultNow(),
  operatorScope: text('operator_scope').$type<'none' | 'read' | 'write'>().notNull().default('none'),
});

export const emailLinks = pgTable('email_links', {
  tokenHash: bytea('token_hash').primaryKey(),
  accountId: uuid('account_id').notNull(),
  purpose: text('purpose').$type<'confirm' | 'reset'>().notNull(),
  passwordHash: text('password_hash'),
  createdAt: moment('created_at').notNull().defaultNow(),
  expiresAt: moment('expires_at').notNull(),
  usedAt: moment('used_at'),
});

export const signupPlans = pgTable('signup_plans', {
  addressHash: bytea('address_hash').primaryKey(),
  givenAt: moment('given_at').notNull().defaultNow(),
});

export const recoveryCodes = pgTable('recovery_codes', {
  accountId: uuid('account_id').notNull(),
  codeHash: bytea('code_hash').notNull(),
});

export const accountStorage = pgTable('account_storage', {
  accountId: uuid('account_id').primaryKey(),
  bytes: int8('bytes').notNull(),
});
