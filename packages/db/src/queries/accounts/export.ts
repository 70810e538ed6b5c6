/** The export of an account's data as JSON lines, under the columns' own names. */
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { Database } from '../../connect.ts';
import { getTableColumns, getTableName } from '../../drizzle.ts';
import { omitColumns, pickColumns } from '../../schema/columns.ts';
import * as tables from '../../schema/index.ts';
import { summaryColumns } from '../jobs/jobs.ts';

type Section = {
  kind: string;
  /** Its alias in the statement is `t`. */
  table: PgTable;
  /**
   * By default all but the account's id. Picked one by one where a table has secrets or operators' data, so that a new
   * column is not exported by accident.
   */
  columns?: Record<string, PgColumn>;
  /** Further select expressions. */
  more?: string;
  join?: string;
  /** By default the rows of `t` with the account's id. */
  where?: string;
  /** Unique together, in the order of an index that begins with the account; by default the id. */
  order?: readonly PgColumn[];
  /** Rows a page, which is held in memory: few where a row may be large. */
  rows?: number;
};

const defaultRows = 500;
const rowsIfLarge = 20;

const sections: readonly Section[] = [
  {
    kind: 'account',
    table: tables.accounts,
    columns: pickColumns(tables.accounts, ['id', 'email', 'role', 'createdAt', 'suspendedAt', 'suspendedReason']),
    where: 't.id = $1',
  },
  { kind: 'api_key', table: tables.apiKeys, columns: pickColumns(tables.apiKeys, ['id', 'name', 'hint', 'createdAt']) },
  {
    kind: 'subscription',
    table: tables.subscriptions,
    columns: omitColumns(tables.subscriptions, ['accountId', 'planId', 'carriedOver']),
    more: 't.plan_id as plan, b.tokens_granted, b.tokens_consumed',
    join: 'join subscription_balances b on b.subscription_id = t.id',
  },
  {
    kind: 'booked_subscription',
    table: tables.bookedPeriods,
    columns: omitColumns(tables.bookedPeriods, ['accountId', 'planId', 'bookedBy']),
    more: 't.plan_id as plan',
  },
  {
    kind: 'grant',
    table: tables.tokenGrants,
    columns: pickColumns(tables.tokenGrants, ['id', 'subscriptionId', 'tokens', 'reason', 'createdAt']),
    more: 't.kind as reason_kind',
    // The table's only index is by subscription.
    where: 't.account_id = $1 and t.subscription_id = any(array(select id from subscriptions where account_id = $1))',
  },
  {
    kind: 'usage',
    table: tables.aiUsageLog,
    columns: omitColumns(tables.aiUsageLog, ['accountId', 'fence']),
    order: [tables.aiUsageLog.createdAt, tables.aiUsageLog.id],
  },
  {
    kind: 'job',
    table: tables.jobs,
    columns: { ...summaryColumns, ...pickColumns(tables.jobs, ['input', 'result', 'progress']) },
    more: `coalesce((select jsonb_object_agg(s.step, s.output) from job_steps s where s.job_id = t.id), '{}') as steps`,
    rows: rowsIfLarge,
  },
  { kind: 'product', table: tables.products, columns: omitColumns(tables.products, ['accountId', 'key']) },
  {
    kind: 'qa',
    table: tables.qaPairs,
    columns: omitColumns(tables.qaPairs, ['accountId', 'sourceKey', 'questionKey']),
  },
  { kind: 'knowledge', table: tables.knowledge, rows: rowsIfLarge },
  { kind: 'prompt', table: tables.prompts, order: [tables.prompts.version] },
  { kind: 'conversation', table: tables.conversations },
  { kind: 'message', table: tables.messages },
  { kind: 'workflow', table: tables.workflows },
  {
    kind: 'instagram_account',
    table: tables.instagramAccounts,
    columns: pickColumns(tables.instagramAccounts, [
      'id',
      'igUserId',
      'username',
      'selfIgScopedId',
      'autoReply',
      'state',
      'stateReason',
      'tokenIssuedAt',
      'tokenExpiresAt',
      'slowUntil',
      'webhookFields',
      'webhookRefusal',
      'createdAt',
    ]),
  },
  {
    kind: 'event',
    table: tables.webhookEvents,
    columns: omitColumns(tables.webhookEvents, ['accountId', 'dedupeKey', 'kind']),
    more: 't.kind as event_kind',
    order: [tables.webhookEvents.igUserId, tables.webhookEvents.id],
    rows: rowsIfLarge,
  },
  {
    kind: 'instagram_message',
    table: tables.instagramSends,
    columns: omitColumns(tables.instagramSends, ['accountId', 'fence']),
  },
  {
    kind: 'instagram_opt_out',
    table: tables.instagramOptOuts,
    where: 't.ig_user_id in (select ig_user_id from instagram_accounts where account_id = $1)',
    order: [tables.instagramOptOuts.igUserId, tables.instagramOptOuts.personId],
  },
];

/** `cursor` is the row's place in the section's order. */
type ExportedRow = { cursor: string[] } & Record<string, unknown>;

/**
 * An account's data as pages of JSON lines, each line `{"kind": …}`. The last line is `{"kind": "end", "lines": n}`; an
 * export without it is incomplete. A page is read only when it is asked for, with no transaction held in between.
 */
export async function* exportAccount(db: Database, accountId: string): AsyncGenerator<string> {
  let lines = 0;
  for (const section of sections) {
    let after: string[] | undefined;
    for (;;) {
      const rows = await readPage(db, accountId, section, after);
      lines += rows.length;
      if (rows.length > 0)
        yield rows.map(({ cursor: _, ...row }) => `${JSON.stringify({ kind: section.kind, ...row })}\n`).join('');
      if (rows.length < (section.rows ?? defaultRows)) break;
      after = rows.at(-1)?.cursor;
    }
  }
  yield `${JSON.stringify({ kind: 'end', lines })}\n`;
}

async function readPage(
  db: Database,
  accountId: string,
  section: Section,
  after: string[] | undefined,
): Promise<ExportedRow[]> {
  const { table, more, join = '', where = 't.account_id = $1', rows: limit = defaultRows } = section;
  const { accountId: _, ...otherColumns } = getTableColumns(table) as Record<string, PgColumn>;
  const columns = section.columns ?? otherColumns;
  const order = section.order ?? [columns.id as PgColumn];
  const names = order.map(({ name }) => `t.${name}`).join(', ');
  const cursor = order.map((column, i) => `($3::text[])[${i + 1}]::${column.getSQLType()}`).join(', ');
  const exported = [...Object.values(columns).map(({ name }) => `t.${name}`), ...(more === undefined ? [] : [more])];
  const { rows } = await db.pool.query<ExportedRow>(
    `select array[${order.map(({ name }) => `t.${name}::text`).join(', ')}] as cursor, ${exported.join(', ')}
     from ${getTableName(table)} t ${join} where ${where} ${after === undefined ? '' : `and (${names}) > (${cursor})`}
     order by ${names} limit $2`,
    after === undefined ? [accountId, limit] : [accountId, limit, after],
  );
  return rows;
}
