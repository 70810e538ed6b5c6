/** The content that answers are drawn from. */
import { boolean, customType, integer, jsonb, pgTable, text, uuid } from '../drizzle.ts';
import { bytea, money, timestamptz } from './types.ts';

const tsvector = customType<{ data: string }>({ dataType: () => 'tsvector' });

export const knowledge = pgTable('knowledge', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  title: text('title').notNull(),
  text: text('text').notNull(),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
});

/** Fields have the names that @tally/extraction documents; money is in major units. */
export const products = pgTable('products', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  key: bytea('key').notNull(),
  name: text('name').notNull(),
  price: money('price'),
  price_max: money('price_max'),
  currency: text('currency'),
  currency_label: text('currency_label'),
  availability: text('availability').$type<'in_stock' | 'out_of_stock' | 'unknown'>().notNull(),
  sku: text('sku'),
  gtin: text('gtin'),
  mpn: text('mpn'),
  brand: text('brand'),
  description: text('description'),
  images: jsonb('images').$type<string[]>().notNull().default([]),
  url: text('url').notNull(),
  sources: jsonb('sources').$type<Record<string, string>>().notNull().default({}),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
  updatedAt: timestamptz('updated_at').notNull().defaultNow(),
});

export const qaPairs = pgTable('qa_pairs', {
  id: uuid('id').primaryKey(),
  accountId: uuid('account_id').notNull(),
  productId: uuid('product_id'),
  url: text('url'),
  sourceKey: bytea('source_key').notNull(),
  questionKey: bytea('question_key').notNull(),
  question: text('question').notNull(),
  answer: text('answer').notNull(),
  corrected: boolean('corrected').notNull().default(false),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
  updatedAt: timestamptz('updated_at').notNull().defaultNow(),
});

export const prompts = pgTable('prompts', {
  accountId: uuid('account_id').notNull(),
  version: integer('version').notNull(),
  text: text('text').notNull(),
  origin: text('origin').$type<'generated' | 'owner'>().notNull(),
  jobId: uuid('job_id'),
  createdAt: timestamptz('created_at').notNull().defaultNow(),
});

export const passages = pgTable('passages', {
  accountId: uuid('account_id').notNull(),
  kind: text('kind').$type<'knowledge' | 'product' | 'qa'>().notNull(),
  sourceId: uuid('source_id').notNull(),
  position: integer('position').notNull(),
  title: text('title').notNull(),
  text: text('text').notNull(),
  search: tsvector('search').notNull(),
});
