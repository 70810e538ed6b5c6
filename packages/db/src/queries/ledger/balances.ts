/** The one query behind every displayed token count. */
import type { AccessRefusal } from '@tally/core';
import type { Database } from '../../connect.ts';
import type { RowOf } from '../../schema/columns.ts';
import type { accounts, subscriptionBalances, subscriptions } from '../../schema/index.ts';

type Subscription = typeof subscriptions.$inferSelect;
export type SubscriptionStatus = Exclude<Subscription['status'], 'ended'>;

/** Tokens are integers; `remainingTokens = grantedTokens − consumedTokens`, never negative. */
export type Balance = {
  grantedTokens: number;
  consumedTokens: number;
  /** Held for running calls; at most `remainingTokens`. */
  heldTokens: number;
  remainingTokens: number;
  availableTokens: number;
};

export type CurrentSubscription = Pick<Subscription, 'id' | 'startsAt' | 'endsAt' | 'renews'> & {
  plan: { id: string; name: string };
  status: SubscriptionStatus;
  /** Set where an operator has suspended the account. */
  suspendedAt: Date | null;
  /** The booked period that begins after this one. */
  booked: { plan: { id: string; name: string }; tokens: number; startsAt: Date } | undefined;
};

/** An account's balance (zeros without a subscription), its subscription, and why it may not use AI, if so. */
export type Standing = {
  balance: Balance;
  subscription: CurrentSubscription | undefined;
  /** Null while the subscription is usable, with or without tokens left. */
  refusal: Exclude<AccessRefusal, 'no_tokens_remaining'> | null;
  /** The next period is due, booked or renewed: start it and read again. */
  isRenewalDue: boolean;
};

type Row = Pick<RowOf<typeof subscriptions>, 'account_id' | 'plan_id' | 'status' | 'starts_at' | 'ends_at' | 'renews'> &
  Pick<RowOf<typeof accounts>, 'suspended_at'> &
  Omit<RowOf<typeof subscriptionBalances>, 'version'> & {
    plan_name: string;
    booked_plan_id: string | null;
    booked_plan_name: string;
    booked_tokens: number;
    booked_starts_at: Date;
    refusal: Exclude<AccessRefusal, 'no_tokens_remaining'> | null;
    is_period_due: boolean;
    tokens_held: number;
  };

/** The accounts' standings, in order; `no_subscription` for an unknown account, too. */
export async function readStandings(db: Database, accountIds: string[]): Promise<Standing[]> {
  const { rows } = await db.hot.query<Row>({
    name: 'read_standings',
    text: `
      select s.account_id, s.id as subscription_id, s.plan_id, p.name as plan_name, s.status, s.starts_at, s.ends_at,
        s.renews, a.suspended_at, n.plan_id as booked_plan_id, np.name as booked_plan_name,
        n.period_tokens as booked_tokens, n.starts_at as booked_starts_at,
        access_refusal(a.suspended_at, s.status, s.starts_at, s.ends_at) as refusal,
        is_period_due(a.suspended_at, s.status, s.renews, s.ends_at, n.starts_at) as is_period_due,
        b.tokens_granted, b.tokens_consumed,
        (select coalesce(sum(h.tokens), 0)::bigint from token_holds h
          where h.subscription_id = s.id and h.expires_at > now()) as tokens_held
      from subscriptions s
      join subscription_balances b on b.subscription_id = s.id
      join plans p on p.id = s.plan_id
      join accounts a on a.id = s.account_id
      left join booked_periods n on n.account_id = s.account_id
      left join plans np on np.id = n.plan_id
      where s.account_id = any($1::uuid[]) and s.is_current`,
    values: [accountIds],
  });
  const byAccount = new Map(rows.map((row) => [row.account_id, toStanding(row)]));
  return accountIds.map((id) => byAccount.get(id) ?? withoutSubscription);
}

function toStanding(row: Row): Standing {
  return {
    balance: toBalance(row.tokens_granted, row.tokens_consumed, row.tokens_held),
    subscription: {
      id: row.subscription_id,
      plan: { id: row.plan_id, name: row.plan_name },
      status: shownStatus(row),
      startsAt: row.starts_at,
      endsAt: row.ends_at,
      renews: row.renews,
      suspendedAt: row.suspended_at,
      booked:
        row.booked_plan_id === null
          ? undefined
          : {
              plan: { id: row.booked_plan_id, name: row.booked_plan_name },
              tokens: row.booked_tokens,
              startsAt: row.booked_starts_at,
            },
    },
    refusal: row.refusal,
    isRenewalDue: row.is_period_due,
  };
}

function shownStatus(row: Row): SubscriptionStatus {
  if (row.refusal === null) return 'active';
  return row.refusal === 'subscription_expired' ? 'expired' : 'inactive';
}

function toBalance(grantedTokens: number, consumedTokens: number, heldTokens: number): Balance {
  const remainingTokens = Math.max(0, grantedTokens - consumedTokens);
  const held = Math.min(heldTokens, remainingTokens);
  return {
    grantedTokens,
    consumedTokens,
    heldTokens: held,
    remainingTokens,
    availableTokens: remainingTokens - held,
  };
}

const withoutSubscription: Standing = {
  balance: toBalance(0, 0, 0),
  subscription: undefined,
  refusal: 'no_subscription',
  isRenewalDue: false,
};
