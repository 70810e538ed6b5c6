/** Instagram: connected accounts, workflows for comments, received events, and sent messages. */
import { boolean, integer, jsonb, pgTable, sql, text, uuid } from '../drizzle.ts';
import { timestamptz } from './types.ts';

export const instagramAccounts = pgTable('instagram_accounts', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  igUserId: text('ig_user_id').notNull(),
  username: text('username').notNull(),
  selfIgScopedId: text('self_ig_scoped_id'),
  accessToken: text('access_token').notNull(),
  tokenIssuedAt: timestamptz('token_issued_at').notNull().defaultNow(),
  tokenRefreshAt: timestamptz('token_refresh_at').notNull().default(sql`now() + interval '1 day'`),
  tokenExpiresAt: timestamptz('token_expires_at'),
  autoReply: boolean('auto_reply').notNull().default(true),
  state: text('state').$type<'active' | 'needs_login' | 'paused'>().notNull().default('active'),
  stateReason: text('state_reason'),
  slowUntil: timestamptz('slow_until'),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
  // The webhook fields that Meta has confirmed a subscription to.
  webhookFields: text('webhook_fields').array().notNull().default([]),
  webhookRefusal: text('webhook_refusal'),
  commentsAnHour: integer('comments_an_hour').notNull().default(5),
  commentsADay: integer('comments_a_day').notNull().default(15),
  messagesAnHour: integer('messages_an_hour').notNull().default(60),
  messagesADay: integer('messages_a_day').notNull().default(200),
});

export const workflows = pgTable('workflows', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  igUserId: text('ig_user_id').notNull(),
  name: text('name').notNull(),
  keywords: text('keywords').array().notNull().default([]),
  mediaIds: text('media_ids').array().notNull().default([]),
  productId: uuid('product_id'),
  instructions: text('instructions'),
  enabled: boolean('enabled').notNull().default(true),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
});

export const webhookEvents = pgTable('webhook_events', {
  id: uuid('id').primaryKey(),
  dedupeKey: text('dedupe_key').notNull(),
  accountId: uuid('account_id'),
  igUserId: text('ig_user_id'),
  kind: text('kind').notNull(),
  externalId: text('external_id'),
  personId: text('person_id'),
  outcome: text('outcome').notNull(),
  jobId: uuid('job_id'),
  payload: jsonb('payload'),
  happenedAt: timestamptz('happened_at').notNull(),
  receivedAt: timestamptz('received_at').notNull().defaultNow(),
});

export const instagramSends = pgTable('instagram_sends', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  igUserId: text('ig_user_id').notNull(),
  recipientKind: text('recipient_kind').$type<'comment' | 'person'>().notNull(),
  recipientId: text('recipient_id').notNull(),
  personId: text('person_id'),
  text: text('text').notNull(),
  state: text('state').$type<'about_to_send' | 'not_sent' | 'sent' | 'failed' | 'uncertain'>().notNull(),
  fence: integer('fence').notNull(),
  tries: integer('tries').notNull().default(1),
  messageId: text('message_id'),
  errorCode: text('error_code'),
  error: text('error'),
  startedAt: timestamptz('started_at').notNull().defaultNow(),
  finishedAt: timestamptz('finished_at'),
});

export const instagramOptOuts = pgTable('instagram_opt_outs', {
  igUserId: text('ig_user_id').notNull(),
  personId: text('person_id').notNull(),
  isOptedOut: boolean('is_opted_out').notNull(),
  saidAt: timestamptz('said_at').notNull(),
});
