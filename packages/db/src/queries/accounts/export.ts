/** Everything that an account may take along, as JSON lines, under the columns' own names. */
import { getTableColumns, getTableName } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { Database } from '../../connect.ts';
import { omitColumns, pickColumns } from '../../schema/columns.ts';
import {
  accounts,
  aiUsageLog,
  apiKeys,
  bookedPeriods,
  conversations,
  instagramAccounts,
  instagramOptOuts,
  instagramSends,
  jobs,
  knowledge,
  messages,
  products,
  prompts,
  qaPairs,
  subscriptions,
  tokenGrants,
  webhookEvents,
  workflows,
} from '../../schema/index.ts';
import { summaryColumns } from '../jobs/jobs.ts';

type Section = {
  kind: string;
  /** Stands as `t` in the statement. */
  table: PgTable;
  /** Where a table holds secrets, or what is the operator's, they are picked one by one, so that no new one slips out. */
  columns: Record<string, PgColumn>;
  /** What else a line says. */
  more?: string;
  join?: string;
  /** By default the rows of `t` that carry the account's id. */
  where?: string;
  /** Together unique, and an index beginning with the account has them in this order; by default the id. */
  order?: readonly PgColumn[];
  /** Rows a page: few where one may be large, for a page is what is in memory. */
  rows?: number;
};

const many = 500;
const few = 20;

const sections: readonly Section[] = [
  {
    kind: 'account',
    table: accounts,
    columns: pickColumns(accounts, ['id', 'email', 'role', 'createdAt', 'suspendedAt', 'suspendedReason']),
    where: 't.id = $1',
  },
  { kind: 'api_key', table: apiKeys, columns: pickColumns(apiKeys, ['id', 'name', 'hint', 'createdAt']) },
  {
    kind: 'subscription',
    table: subscriptions,
    columns: omitColumns(subscriptions, ['accountId', 'planId', 'carriedOver']),
    more: 't.plan_id as plan, b.tokens_granted, b.tokens_consumed',
    join: 'join subscription_balances b on b.subscription_id = t.id',
  },
  {
    kind: 'booked_subscription',
    table: bookedPeriods,
    columns: omitColumns(bookedPeriods, ['accountId', 'planId', 'bookedBy']),
    more: 't.plan_id as plan',
  },
  {
    kind: 'grant',
    table: tokenGrants,
    columns: pickColumns(tokenGrants, ['id', 'subscriptionId', 'tokens', 'reason', 'createdAt']),
    more: 't.kind as reason_kind',
    // The only index there is goes by subscription.
    where: 't.account_id = $1 and t.subscription_id = any(array(select id from subscriptions where account_id = $1))',
  },
  {
    kind: 'usage',
    table: aiUsageLog,
    columns: omitColumns(aiUsageLog, ['accountId', 'fence']),
    order: [aiUsageLog.createdAt, aiUsageLog.id],
  },
  {
    kind: 'job',
    table: jobs,
    columns: { ...summaryColumns, ...pickColumns(jobs, ['input', 'result', 'progress']) },
    more: `coalesce((select jsonb_object_agg(s.step, s.output) from job_steps s where s.job_id = t.id), '{}') as steps`,
    rows: few,
  },
  { kind: 'product', table: products, columns: omitColumns(products, ['accountId', 'key']) },
  { kind: 'qa', table: qaPairs, columns: omitColumns(qaPairs, ['accountId', 'sourceKey', 'questionKey']) },
  { kind: 'knowledge', table: knowledge, columns: omitColumns(knowledge, ['accountId']), rows: few },
  { kind: 'prompt', table: prompts, columns: omitColumns(prompts, ['accountId']), order: [prompts.version] },
  { kind: 'conversation', table: conversations, columns: omitColumns(conversations, ['accountId']) },
  { kind: 'message', table: messages, columns: omitColumns(messages, ['accountId']) },
  { kind: 'workflow', table: workflows, columns: omitColumns(workflows, ['accountId']) },
  {
    kind: 'instagram_account',
    table: instagramAccounts,
    columns: pickColumns(instagramAccounts, [
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
    table: webhookEvents,
    columns: omitColumns(webhookEvents, ['accountId', 'dedupeKey', 'kind']),
    more: 't.kind as event_kind',
    order: [webhookEvents.igUserId, webhookEvents.id],
    rows: few,
  },
  { kind: 'instagram_message', table: instagramSends, columns: omitColumns(instagramSends, ['accountId', 'fence']) },
  {
    kind: 'instagram_opt_out',
    table: instagramOptOuts,
    columns: getTableColumns(instagramOptOuts),
    where: 't.ig_user_id in (select ig_user_id from instagram_accounts where account_id = $1)',
    order: [instagramOptOuts.igUserId, instagramOptOuts.personId],
  },
];

type ExportedRow = { place: string[] } & Record<string, unknown>;

/**
 * An account's data as pages of JSON lines, each line `{"kind": …}`, the last one `{"kind": "end", "lines": n}`: without it
 * the export is not whole. Reads a page only when it is asked for it, and holds nothing in between.
 */
export async function* exportAccount(db: Database, accountId: string): AsyncGenerator<string> {
  let lines = 0;
  for (const section of sections) {
    let after: string[] | undefined;
    for (;;) {
      const rows = await readPage(db, accountId, section, after);
      lines += rows.length;
      if (rows.length > 0)
        yield rows.map(({ place: _, ...row }) => `${JSON.stringify({ kind: section.kind, ...row })}\n`).join('');
      if (rows.length < (section.rows ?? many)) break;
      after = rows.at(-1)?.place;
    }
  }
  yield `${JSON.stringify({ kind: 'end', lines })}\n`;
}

async function readPage(
  db: Database,
  accountId: string,
  {
    table,
    columns,
    more,
    join = '',
    where = 't.account_id = $1',
    order = [columns.id as PgColumn],
    rows: limit = many,
  }: Section,
  after: string[] | undefined,
): Promise<ExportedRow[]> {
  const names = order.map(({ name }) => `t.${name}`).join(', ');
  const place = order.map((column, i) => `($3::text[])[${i + 1}]::${column.getSQLType()}`).join(', ');
  const exported = [...Object.values(columns).map(({ name }) => `t.${name}`), ...(more === undefined ? [] : [more])];
  const { rows } = await db.pool.query<ExportedRow>(
    `select array[${order.map(({ name }) => `t.${name}::text`).join(', ')}] as place, ${exported.join(', ')}
     from ${getTableName(table)} t ${join} where ${where} ${after === undefined ? '' : `and (${names}) > (${place})`}
     order by ${names} limit $2`,
    after === undefined ? [accountId, limit] : [accountId, limit, after],
  );
  return rows;
}
