/** Conversations with customers, by API or on Instagram. */
import { boolean, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { moment } from './types.ts';

export const conversations = pgTable('conversations', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  channel: text('channel').$type<'api' | 'instagram'>().notNull(),
  igUserId: text('ig_user_id'),
  customer: text('customer').notNull(),
  pausedAt: moment('paused_at'),
  createdAt: moment('created_at').notNull().defaultNow(),
  lastMessageAt: moment('last_message_at').notNull().defaultNow(),
});

export const messages = pgTable('messages', {
  id: uuid('id').primaryKey(),
  conversationId: uuid('conversation_id').notNull(),
  accountId: uuid('account_id').notNull(),
  role: text('role').$type<'customer' | 'assistant' | 'human'>().notNull(),
  text: text('text').notNull(),
  externalId: text('external_id'),
  saidAt: moment('said_at').notNull(),
  receivedAt: moment('received_at').notNull().defaultNow(),
  answerJob: uuid('answer_job'),
  replyId: uuid('reply_id'),
  closedAt: moment('closed_at'),
  silence: text('silence').$type<'paused' | 'unsent' | 'opted_out' | 'reply_cap' | 'failed'>(),
  unsentAt: moment('unsent_at'),
  delivery: text('delivery').$type<'sending' | 'sent' | 'failed' | 'uncertain'>(),
  corrected: boolean('corrected').notNull().default(false),
});
