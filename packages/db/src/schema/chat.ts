/** Conversations with customers, by API or on Instagram. */
import { boolean, pgTable, text, uuid } from '../drizzle.ts';
import { timestamptz } from './types.ts';

export const conversations = pgTable('conversations', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  channel: text('channel').$type<'api' | 'instagram'>().notNull(),
  igUserId: text('ig_user_id'),
  customer: text('customer').notNull(),
  pausedAt: timestamptz('paused_at'),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
  lastMessageAt: timestamptz('last_message_at').notNull().defaultNow(),
});

export const messages = pgTable('messages', {
  id: uuid('id').primaryKey(),
  conversationId: uuid('conversation_id').notNull(),
  accountId: uuid('account_id').notNull(),
  role: text('role').$type<'customer' | 'assistant' | 'human'>().notNull(),
  text: text('text').notNull(),
  externalId: text('external_id'),
  saidAt: timestamptz('said_at').notNull(),
  receivedAt: timestamptz('received_at').notNull().defaultNow(),
  answerJob: uuid('answer_job'),
  replyId: uuid('reply_id'),
  closedAt: timestamptz('closed_at'),
  silence: text('silence').$type<'paused' | 'unsent' | 'opted_out' | 'reply_cap' | 'failed'>(),
  unsentAt: timestamptz('unsent_at'),
  delivery: text('delivery').$type<'sending' | 'sent' | 'failed' | 'uncertain'>(),
  corrected: boolean('corrected').notNull().default(false),
});
