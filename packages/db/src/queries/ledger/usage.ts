/** Token usage by the log of model calls: billed, billed in part, and unbilled. */
import type { Database } from '../../connect.ts';
import type { aiUsageLog } from '../../schema/index.ts';

type Usage = typeof aiUsageLog.$inferSelect;
export type UsageRow = Pick<Usage, 'task' | 'model' | 'inputTokens' | 'outputTokens'> & {
  tokensBilled: number;
  day: string;
  calls: number;
};

/** An account's usage by UTC day (`YYYY-MM-DD`), task and model, newest first: of today and `days - 1` whole days. */
export async function readUsage(db: Database, accountId: string, days: number): Promise<UsageRow[]> {
  const { rows } = await db.pool.query<UsageRow>(
    `select to_char(created_at at time zone 'utc', 'YYYY-MM-DD') as day, task, model, count(*) as calls,
       sum(input_tokens) as "inputTokens", sum(output_tokens) as "outputTokens", sum(billed_tokens) as "tokensBilled"
     from ai_usage_log
     where account_id = $1 and created_at >=
       (date_trunc('day', now() at time zone 'utc') - make_interval(days => $2 - 1)) at time zone 'utc'
     group by 1, 2, 3 order by 1 desc, 2, 3`,
    [accountId, days],
  );
  return rows;
}

/** Tokens of an account's unusable answers of the last 24 hours that were not billed. */
export async function readMalformedTokens(db: Database, accountId: string): Promise<number> {
  const { rows } = await db.pool.query<{ tokens: number }>(
    `select coalesce(sum(total_tokens), 0)::bigint as tokens from ai_usage_log
     where account_id = $1 and outcome = 'malformed' and billed_tokens = 0 and created_at > now() - interval '24 hours'`,
    [accountId],
  );
  return rows[0]?.tokens ?? 0;
}

// The two below read only the latest calls of the last hour, so that a scrape costs the same at any load.
const maxCalls = 10_000;

export type UnpaidUsage = Pick<Usage, 'model'> & { calls: number; unpaidTokens: number };

/** Usage of the last hour that was billed in part only, because it exceeded its holds: by model. */
export async function readUnpaidUsage(db: Database): Promise<UnpaidUsage[]> {
  const { rows } = await db.pool.query<UnpaidUsage>(
    `select model, count(*) as calls, sum(total_tokens - billed_tokens) as "unpaidTokens" from (
       select model, total_tokens, billed_tokens from ai_usage_log
       where billed_tokens > 0 and billed_tokens < total_tokens and created_at > now() - interval '1 hour'
       order by created_at desc limit $1) latest
     group by model order by model`,
    [maxCalls],
  );
  return rows;
}

export type UnbilledUsage = Pick<Usage, 'model' | 'outcome'> & { unbilledTokens: number };

/** Usage of the last hour that was not billed at all: by model and outcome. */
export async function readUnbilledUsage(db: Database): Promise<UnbilledUsage[]> {
  const { rows } = await db.pool.query<UnbilledUsage>(
    `select model, outcome, sum(total_tokens) as "unbilledTokens" from (
       select model, outcome, total_tokens from ai_usage_log
       where billed_tokens = 0 and total_tokens > 0 and created_at > now() - interval '1 hour'
       order by created_at desc limit $1) latest
     group by model, outcome order by model, outcome`,
    [maxCalls],
  );
  return rows;
}
