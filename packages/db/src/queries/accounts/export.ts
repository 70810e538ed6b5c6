/** Everything that an account may take along, as JSON lines. Columns are named one by one, so that no secret slips out. */
import type { Database } from '../../connect.ts';

type Section = {
  kind: string;
  /** The table as `t`, with whatever else its columns are read from. */
  from: string;
  /** By default the rows of `t` that carry the account's id. */
  where?: string;
  /** Column and type; together unique, and an index beginning with the account has them in this order. */
  order: readonly (readonly [string, string])[];
  columns: string;
  /** Rows a page: few where one may be large, for a page is what is in memory. */
  rows: number;
};

const byId = [['t.id', 'uuid']] as const;
const many = 500;
const few = 20;

const sections: readonly Section[] = [
  {
    kind: 'account',
    from: 'accounts t',
    where: 't.id = $1',
    order: byId,
    columns: 't.id, t.email, t.role, t.created_at, t.suspended_at, t.suspended_reason',
    rows: many,
  },
  { kind: 'api_key', from: 'api_keys t', order: byId, columns: 't.id, t.name, t.hint, t.created_at', rows: many },
  {
    kind: 'subscription',
    from: 'subscriptions t join subscription_balances b on b.subscription_id = t.id',
    order: byId,
    columns: `t.id, t.plan_id as plan, t.period_tokens, t.status, t.renews, t.is_current, t.starts_at, t.ends_at,
      t.created_at, b.tokens_granted, b.tokens_consumed`,
    rows: many,
  },
  {
    kind: 'booked_subscription',
    from: 'booked_periods t',
    order: byId,
    columns: 't.id, t.plan_id as plan, t.period_tokens, t.renews, t.starts_at, t.ends_at, t.created_at',
    rows: many,
  },
  {
    kind: 'grant',
    from: 'token_grants t',
    // The only index there is goes by subscription.
    where: 't.account_id = $1 and t.subscription_id = any(array(select id from subscriptions where account_id = $1))',
    order: byId,
    columns: 't.id, t.subscription_id, t.kind as reason_kind, t.tokens, t.reason, t.created_at',
    rows: many,
  },
  {
    kind: 'usage',
    from: 'ai_usage_log t',
    order: [['t.created_at', 'timestamptz'], ...byId],
    columns: `t.id, t.subscription_id, t.job_id, t.step, t.task, t.model, t.input_tokens, t.cached_input_tokens,
      t.output_tokens, t.reasoning_tokens, t.total_tokens, t.billed_tokens, t.evidence, t.outcome, t.refused_usage,
      t.provider_request_id, t.latency_ms, t.reason, t.created_at`,
    rows: many,
  },
  {
    kind: 'job',
    from: 'jobs t',
    order: byId,
    columns: `t.id, t.task, t.status, t.input, t.result, t.progress, t.error, t.error_code, t.created_at, t.started_at,
      t.finished_at, coalesce((select jsonb_object_agg(s.step, s.output) from job_steps s where s.job_id = t.id), '{}')
        as steps`,
    rows: few,
  },
  {
    kind: 'product',
    from: 'products t',
    order: byId,
    columns: `t.id, t.name, t.price, t.price_max, t.currency, t.currency_label, t.availability, t.sku, t.gtin, t.mpn, t.brand,
      t.description, t.images, t.url, t.sources, t.created_at, t.updated_at`,
    rows: many,
  },
  {
    kind: 'qa',
    from: 'qa_pairs t',
    order: byId,
    columns: 't.id, t.product_id, t.url, t.question, t.answer, t.corrected, t.created_at, t.updated_at',
    rows: many,
  },
  { kind: 'knowledge', from: 'knowledge t', order: byId, columns: 't.id, t.title, t.text, t.created_at', rows: few },
  {
    kind: 'prompt',
    from: 'prompts t',
    order: [['t.version', 'integer']],
    columns: 't.version, t.text, t.origin, t.job_id, t.created_at',
    rows: many,
  },
  {
    kind: 'conversation',
    from: 'conversations t',
    order: byId,
    columns: 't.id, t.channel, t.ig_user_id, t.customer, t.paused_at, t.created_at, t.last_message_at',
    rows: many,
  },
  {
    kind: 'message',
    from: 'messages t',
    order: byId,
    columns: `t.id, t.conversation_id, t.role, t.text, t.external_id, t.said_at, t.received_at, t.answer_job, t.reply_id,
      t.closed_at, t.silence, t.unsent_at, t.delivery, t.corrected`,
    rows: many,
  },
  {
    kind: 'workflow',
    from: 'workflows t',
    order: byId,
    columns: `t.id, t.ig_user_id, t.name, t.keywords, t.media_ids, t.product_id, t.instructions, t.enabled, t.created_at`,
    rows: many,
  },
  {
    kind: 'instagram_account',
    from: 'instagram_accounts t',
    order: byId,
    columns: `t.id, t.ig_user_id, t.username, t.self_ig_scoped_id, t.auto_reply, t.state, t.state_reason, t.token_issued_at,
      t.token_expires_at, t.slow_until, t.webhook_fields, t.webhook_refusal, t.created_at`,
    rows: many,
  },
  {
    kind: 'event',
    from: 'webhook_events t',
    order: [['t.ig_user_id', 'text'], ...byId],
    columns: `t.id, t.ig_user_id, t.kind as event_kind, t.external_id, t.person_id, t.outcome, t.job_id, t.payload,
      t.happened_at, t.received_at`,
    rows: few,
  },
  {
    kind: 'instagram_message',
    from: 'instagram_sends t',
    order: byId,
    columns: `t.id, t.ig_user_id, t.recipient_kind, t.recipient_id, t.person_id, t.text, t.state, t.tries, t.message_id,
      t.error_code, t.error, t.started_at, t.finished_at`,
    rows: many,
  },
  {
    kind: 'instagram_opt_out',
    from: 'instagram_opt_outs t',
    where: 't.ig_user_id in (select ig_user_id from instagram_accounts where account_id = $1)',
    order: [
      ['t.ig_user_id', 'text'],
      ['t.person_id', 'text'],
    ],
    columns: 't.ig_user_id, t.person_id, t.is_opted_out, t.said_at',
    rows: many,
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
      if (rows.length < section.rows) break;
      after = rows.at(-1)?.place;
    }
  }
  yield `${JSON.stringify({ kind: 'end', lines })}\n`;
}

async function readPage(
  db: Database,
  accountId: string,
  { from, where = 't.account_id = $1', order, columns, rows: limit }: Section,
  after: string[] | undefined,
): Promise<ExportedRow[]> {
  const names = order.map(([column]) => column).join(', ');
  const place = order.map(([, type], i) => `($3::text[])[${i + 1}]::${type}`).join(', ');
  const { rows } = await db.pool.query<ExportedRow>(
    `select array[${order.map(([column]) => `${column}::text`).join(', ')}] as place, ${columns}
     from ${from} where ${where} ${after === undefined ? '' : `and (${names}) > (${place})`}
     order by ${names} limit $2`,
    after === undefined ? [accountId, limit] : [accountId, limit, after],
  );
  return rows;
}
