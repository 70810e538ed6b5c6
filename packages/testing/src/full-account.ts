/** Creates an account with a row in every table; each text names its table and column, so that tests can trace it. */
import type { Billing } from '@tally/billing';
import { grantTokens } from '@tally/billing';
import { newId } from '@tally/core';
import type { Database } from '@tally/db';
import { newAccount } from './accounts.ts';

type Column = { name: string; type: string; is_needed: boolean };

/** The text that `insertFilled` writes to a column. */
export const textOf = (marker: string, table: string, column: string): string => `${marker}_${table}_${column}`;

/** The columns of all tables in the database. */
export async function readColumns({ pool }: Database): Promise<Map<string, Column[]>> {
  const { rows } = await pool.query<Column & { table: string }>(
    `select c.table_name as table, c.column_name as name, c.data_type as type,
       c.is_nullable = 'NO' and c.column_default is null as is_needed
     from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
     where c.table_schema = 'public' and t.table_type = 'BASE TABLE' order by c.table_name, c.ordinal_position`,
  );
  return Map.groupBy(rows, (row) => row.table);
}

const written: Record<string, (text: string) => unknown> = {
  text: (text) => text,
  jsonb: (text) => JSON.stringify({ said: text }),
  bytea: (text) => Buffer.from(text),
  ARRAY: (text) => [text],
  tsvector: (text) => text,
};
const needed: Record<string, () => unknown> = {
  uuid: newId,
  integer: () => 1,
  bigint: () => 1,
  boolean: () => false,
  'timestamp with time zone': () => new Date(),
};

/** Inserts a row with `values` and a text in every other column that can hold text. */
async function insertFilled(
  db: Database,
  columns: Map<string, Column[]>,
  { table, marker, values }: { table: string; marker: string; values: Record<string, unknown> },
): Promise<void> {
  const row: Record<string, unknown> = { ...values };
  for (const { name, type, is_needed } of columns.get(table) ?? [])
    if (!(name in row)) {
      const value = written[type]?.(textOf(marker, table, name)) ?? (is_needed ? needed[type]?.() : undefined);
      if (value !== undefined) row[name] = value;
    }
  const names = Object.keys(row);
  await db.pool.query(
    `insert into ${table} (${names.join(', ')}) values (${names.map((_, i) => `$${i + 1}`).join(', ')})`,
    Object.values(row),
  );
}

export type FullAccount = { accountId: string; email: string; marker: string; endedJob: string; queuedJob: string };

/** Creates the account. Add new tables with account data here. */
export async function newFullAccount(billing: Billing, marker: string): Promise<FullAccount> {
  const { db } = billing;
  const email = `${marker}@example.com`;
  const { accountId, subscriptionId } = await newAccount(billing, { tokens: 1_000, email });
  const idempotencyKey = newId();
  await grantTokens(billing, { accountId, tokens: 500, reason: 'Top-up', idempotencyKey, grantedBy: null });
  await grantTokens(billing, {
    accountId,
    tokens: -100,
    reason: 'Taken back',
    idempotencyKey: newId(),
    grantedBy: null,
  });
  await db.pool.query('update accounts set suspended_reason = $2 where id = $1', [
    accountId,
    textOf(marker, 'accounts', 'suspended_reason'),
  ]);
  const columns = await readColumns(db);
  const [endedJob, queuedJob, productId, conversationId, knowledgeId] = Array.from({ length: 5 }, newId);
  const ig_user_id = textOf(marker, 'any', 'ig_user_id');
  const job = { account_id: accountId, task: 'ask-question' };
  const inAMonth = new Date(Date.now() + 30 * 86_400_000);
  const rows: [string, Record<string, unknown>][] = [
    ['api_keys', { operator_scope: 'none' }],
    ['booked_periods', { plan_id: 'growth', starts_at: inAMonth, ends_at: inAMonth }],
    ['jobs', { ...job, id: endedJob, status: 'failed', error_code: 'timeout', finished_at: new Date() }],
    ['job_steps', { job_id: endedJob }],
    ['jobs', { ...job, id: queuedJob, status: 'queued', error_code: null, error: null, result: null }],
    ['job_steps', { job_id: queuedJob }],
    ['idempotency_keys', {}],
    ['email_links', { purpose: 'confirm' }],
    ['recovery_codes', {}],
    ['knowledge', { id: knowledgeId }],
    ['products', { id: productId, availability: 'unknown' }],
    ['qa_pairs', { product_id: productId }],
    ['passages', { source_id: knowledgeId, kind: 'knowledge' }],
    ['prompts', { origin: 'owner' }],
    ['conversations', { id: conversationId, channel: 'instagram', ig_user_id }],
    ['messages', { conversation_id: conversationId, role: 'customer', silence: null, delivery: null }],
    ['instagram_accounts', { ig_user_id, state: 'active' }],
    ['workflows', { ig_user_id, product_id: productId }],
    ['webhook_events', { ig_user_id, job_id: endedJob }],
    ['instagram_sends', { id: endedJob, ig_user_id, recipient_kind: 'comment', state: 'sent' }],
    ['instagram_opt_outs', { ig_user_id }],
  ];
  for (const [table, values] of rows) {
    const hasAccount = columns.get(table)?.some(({ name }) => name === 'account_id');
    await insertFilled(db, columns, {
      table,
      marker,
      values: hasAccount ? { account_id: accountId, ...values } : values,
    });
  }
  await insertUsage(db, { accountId, subscriptionId, jobId: endedJob ?? '' });
  return { accountId, email, marker, endedJob: endedJob ?? '', queuedJob: queuedJob ?? '' };
}

/** Inserts a call of 10 tokens, billed to a job. */
async function insertUsage(
  { pool }: Database,
  { accountId, subscriptionId, jobId }: { accountId: string; subscriptionId: string; jobId: string },
): Promise<void> {
  await pool.query(
    `insert into ai_usage_log (id, account_id, subscription_id, job_id, step, fence, task, model, input_tokens,
       cached_input_tokens, output_tokens, reasoning_tokens, total_tokens, billed_tokens, evidence, outcome, latency_ms)
     values (gen_random_uuid(), $1, $2, $3, 'answer', 1, 'ask-question', 'sandbox', 8, 0, 2, 0, 10, 10, 'reported',
       'answered', 1)`,
    [accountId, subscriptionId, jobId],
  );
}
