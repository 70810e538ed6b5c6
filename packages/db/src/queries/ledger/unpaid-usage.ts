/** What providers counted and accounts did not pay: usage beyond what could be held, and calls that are billed to nobody. */
import type { Database } from '../../connect.ts';
import type { aiUsageLog } from '../../schema/index.ts';

type Usage = typeof aiUsageLog.$inferSelect;
export type UnpaidUsage = Pick<Usage, 'model'> & { calls: number; unpaidTokens: number };

const maxRead = 10_000;

/** Usage of the last hour that was billed in part, by model: of the latest 10,000 calls where there are more. */
export async function readUnpaidUsage(db: Database): Promise<UnpaidUsage[]> {
  const { rows } = await db.pool.query<UnpaidUsage>(
    `select model, count(*) as calls, sum(total_tokens - billed_tokens) as "unpaidTokens" from (
       select model, total_tokens, billed_tokens from ai_usage_log
       where billed_tokens > 0 and billed_tokens < total_tokens and created_at > now() - interval '1 hour'
       order by created_at desc limit $1) latest
     group by model order by model`,
    [maxRead],
  );
  return rows;
}

export type UnbilledUsage = Pick<Usage, 'model' | 'outcome'> & { unbilledTokens: number };

/** Calls of the last hour that used tokens and were billed to nobody, of the latest 10,000 where there are more. */
export async function readUnbilledUsage(db: Database): Promise<UnbilledUsage[]> {
  const { rows } = await db.pool.query<UnbilledUsage>(
    `select model, outcome, sum(total_tokens) as "unbilledTokens" from (
       select model, outcome, total_tokens from ai_usage_log
       where billed_tokens = 0 and total_tokens > 0 and created_at > now() - interval '1 hour'
       order by created_at desc limit $1) latest
     group by model, outcome order by model, outcome`,
    [maxRead],
  );
  return rows;
}
