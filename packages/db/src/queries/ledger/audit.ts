/** Recomputing balances from the rows of the two ledgers, to compare with what the triggers made of them. */
import type { Database } from '../../connect.ts';
import type { RowOf } from '../../schema/columns.ts';
import type { subscriptionBalances } from '../../schema/index.ts';
import type { Snapshot } from './holds.ts';

export type AuditRow = {
  subscriptionId: string;
  /** What `subscription_balances` says. */
  balance: Snapshot;
  /** What the rows of the ledgers add up to. */
  fold: { tokensGranted: number; tokensConsumed: number };
  /** Ids of all holds, those with an expired lease included. */
  holdIds: string[];
};

type Row = RowOf<typeof subscriptionBalances> & {
  fold_granted: number;
  fold_consumed: number;
  hold_ids: string[];
};

/** A page of subscriptions by id, each recomputed in the same snapshot as its balance is read. */
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
    balance: { tokensGranted: row.tokens_granted, tokensConsumed: row.tokens_consumed, version: row.version },
    fold: { tokensGranted: row.fold_granted, tokensConsumed: row.fold_consumed },
    holdIds: row.hold_ids,
  }));
}

/** Ledger rows that belong to no balance, which no page above would show. */
export async function countStrayLedgerRows(db: Database): Promise<{ grants: number; usage: number }> {
  const { rows } = await db.pool.query<{ grants: number; usage: number }>(
    `select
       (select count(*) from token_grants g where not exists (select from subscription_balances b where b.subscription_id = g.subscription_id)) as grants,
       (select count(*) from ai_usage_log u where not exists (select from subscription_balances b where b.subscription_id = u.subscription_id)) as usage`,
  );
  return rows[0] ?? { grants: 0, usage: 0 };
}

/** Subscriptions that have a balance, in order of id; of one account where one is given. */
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
