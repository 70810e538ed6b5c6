/** Usage that was billed in part: its hold, and what could be held beyond that, did not cover what the provider counted. */
import type { Database } from '../connect.ts';

export type UnpaidUsage = { model: string; calls: number; unpaidTokens: number };

const mostRead = 10_000;

/** Such usage of the last hour by model: of the latest 10,000 calls where there are more. */
export async function readUnpaidUsage(db: Database): Promise<UnpaidUsage[]> {
  const { rows } = await db.pool.query<UnpaidUsage>(
    `select model, count(*) as calls, sum(total_tokens - billed_tokens) as "unpaidTokens" from (
       select model, total_tokens, billed_tokens from ai_usage_log
       where billed_tokens > 0 and billed_tokens < total_tokens and created_at > now() - interval '1 hour'
       order by created_at desc limit $1) latest
     group by model order by model`,
    [mostRead],
  );
  return rows;
}
