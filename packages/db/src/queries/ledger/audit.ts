/** Recomputes balances from the rows of the two logs, to compare them with those that the triggers keep. */
import type { Database } from '../../connect.ts';
import type { RowOf } from '../../schema/columns.ts';
import type { subscriptionBalances } from '../../schema/index.ts';
import { type Snapshot, toSnapshot } from './holds.ts';

export type AuditRow = {
  subscriptionId: string;
  /** The row of `subscription_balances`. */
  balance: Snapshot;
  /** The sums of the logs' rows. */
  fold: { tokensGranted: number; tokensConsumed: number };
  /** Ids of all holds, expired ones included. */
  holdIds: string[];
};

type Row = RowOf<typeof subscriptionBalances> & {
  fold_granted: number;
  fold_consumed: number;
  hold_ids: string[];
};

/** A page of subscriptions by id, each recomputed in the snapshot in which its balance is read. */
export async function auditSubscriptions(db: Database, input: { afterId: string; limit: number }): Promise<AuditRow[]> {
  const { rows } = await db.pool.query<Row>(
    `select b.subscription_id, b.tokens_granted, b.tokens_consumed, b.version,
       (select coalesce(sum(g.tokens), 0)::bigint from token_grants g where g.subscription_id = b.subscription_id) as fold_granted,
       (select coalesce(sum(u.billed_tokens), 0)::bigint from ai_usage_log u where u.subscription_id = b.subscription_id) as fold_consumed,
       array(select h.id from token_holds h where h.subscription_id = b.subscription_id)::text[] as hold_ids
     from subscription_balances b where b.subscription_id > $1 order by b.subscription_id limit $2`,
    [input.afterId, input.limit],
  );
  return rows.map((row) => ({
    subscriptionId: row.subscription_id,
    balance: toSnapshot(row),
    fold: { tokensGranted: row.fold_granted, tokensConsumed: row.fold_consumed },
    holdIds: row.hold_ids,
  }));
}

/** Counts rows of the logs without a balance, which {@link auditSubscriptions} does not see. */
export async function countStrayLedgerRows(db: Database): Promise<{ grants: number; usage: number }> {
  const { rows } = await db.pool.query<{ grants: number; usage: number }>(
    `select
       (select count(*) from token_grants g left join subscription_balances b using (subscription_id)
         where b.subscription_id is null) as grants,
       (select count(*) from ai_usage_log u left join subscription_balances b using (subscription_id)
         where b.subscription_id is null) as usage`,
  );
  return rows[0] ?? { grants: 0, usage: 0 };
}

/** A page of subscription ids in order; of one account where it is given. */
export async function listSubscriptionIds(
  db: Database,
  input: { accountId: string | undefined; afterId: string; limit: number },
): Promise<string[]> {
  const { rows } = await db.pool.query<{ id: string }>(
    `select id from subscriptions where id > $1 and ($2::uuid is null or account_id = $2) order by id limit $3`,
    [input.afterId, input.accountId ?? null, input.limit],
  );
  return rows.map(({ id }) => id);
}
