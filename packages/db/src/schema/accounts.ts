/** Accounts and their credentials. */
import { integer, pgTable, text, uuid } from '../drizzle.ts';
import { bytea, int8, timestamptz } from './types.ts';

export const accounts = pgTable('accounts', {
  id: uuid('id').primaryKey(),
  email: text('email').notNull(),
  passwordHash: text('password_hash').notNull(),
  role: text('role').$type<'tenant' | 'operator'>().notNull().default('tenant'),
  tokenVersion: integer('token_version').notNull().default(1),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
  erasedAt: timestamptz('erased_at'),
  erasureEndedAt: timestamptz('erasure_ended_at'),
  suspendedAt: timestamptz('suspended_at'),
  suspendedReason: text('suspended_reason'),
  emailConfirmedAt: timestamptz('email_confirmed_at'),
  totpSecret: text('totp_secret'),
  totpEnabledAt: timestamptz('totp_enabled_at'),
  totpLastStep: int8('totp_last_step').notNull().default(0),
});

export const apiKeys = pgTable('api_keys', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  name: text('name').notNull(),
  keyHash: bytea('key_hash').notNull(),
  hint: text('hint').notNull(),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
  operatorScope: text('operator_scope').$type<'none' | 'read' | 'write'>().notNull().default('none'),
});

export const emailLinks = pgTable('email_links', {
  tokenHash: bytea('token_hash').primaryKey(),
  accountId: uuid('account_id').notNull(),
  purpose: text('purpose').$type<'confirm' | 'reset'>().notNull(),
  passwordHash: text('password_hash'),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
  expiresAt: timestamptz('expires_at').notNull(),
  usedAt: timestamptz('used_at'),
});

export const signupPlans = pgTable('signup_plans', {
  addressHash: bytea('address_hash').primaryKey(),
  givenAt: timestamptz('given_at').notNull().defaultNow(),
});

export const recoveryCodes = pgTable('recovery_codes', {
  accountId: uuid('account_id').notNull(),
  codeHash: bytea('code_hash').notNull(),
});

export const accountStorage = pgTable('account_storage', {
  accountId: uuid('account_id').primaryKey(),
  bytes: int8('bytes').notNull(),
});
