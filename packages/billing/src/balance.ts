/** Reads an account's balance: the single source of all balance figures shown. */
import type { AccessRefusal } from '@tally/core';
import { renewPeriod, type Standing } from '@tally/db';
import type { Billing } from './services.ts';

/** Reads an account's balance and subscription, starting the next period first where one is due. */
export async function getBalance(billing: Billing, accountId: string): Promise<Standing> {
  const standing = await billing.readStanding(accountId);
  if (!standing.isRenewalDue) return standing;
  await renewPeriod(billing.db, accountId);
  return billing.readStanding(accountId);
}

export type Access =
  | { has_access: true; reason: null; message: null }
  | { has_access: false; reason: AccessRefusal; message: string };

const refusalMessages: Record<AccessRefusal, string> = {
  no_tokens_remaining: 'No tokens remaining in subscription',
  subscription_expired: 'Subscription has expired',
  subscription_inactive: 'Subscription is not active',
  no_subscription: 'No subscription found',
};

/** The client's text for a refusal; where some tokens remain, with how many remain and how many are needed. */
export function refusalText(reason: AccessRefusal, tokens: { neededTokens: number; remainingTokens: number }): string {
  const { neededTokens, remainingTokens } = tokens;
  if (reason !== 'no_tokens_remaining' || remainingTokens <= 0) return refusalMessages[reason];
  return `This needs at least ${neededTokens} tokens, and ${remainingTokens} are left in the subscription`;
}

/**
 * Whether an account may run a task that needs about `estimatedTokens`. Held tokens count as available: only consumed
 * tokens lead to a refusal. At least one token must remain, even for a task that may turn out free.
 */
export async function checkAccess(
  billing: Billing,
  input: { accountId: string; estimatedTokens: number; task: string },
): Promise<Access> {
  const standing = await getBalance(billing, input.accountId);
  const reason = refusalOf(standing, input.estimatedTokens);
  if (reason === null) return { has_access: true, reason, message: null };
  billing.log.info({ account_id: input.accountId, task: input.task, reason }, 'access refused');
  const { remainingTokens } = standing.balance;
  const message = refusalText(reason, { neededTokens: input.estimatedTokens, remainingTokens });
  return { has_access: false, reason, message };
}

/** Why an account may not use `estimatedTokens` now; null where it may. */
export function refusalOf(standing: Standing, estimatedTokens: number): AccessRefusal | null {
  if (standing.refusal !== null) return standing.refusal;
  return standing.balance.remainingTokens < Math.max(1, estimatedTokens) ? 'no_tokens_remaining' : null;
}

/** What is left of a period's tokens and of its time, in percent: rounded down to two decimals, 0 without a subscription. */
export function remainingPercent({ balance, subscription }: Standing): { tokens: number; days: number } {
  const { startsAt, endsAt } = subscription ?? { startsAt: new Date(0), endsAt: new Date(0) };
  return {
    tokens: floorPercent(balance.remainingTokens, balance.grantedTokens),
    days: floorPercent(endsAt.getTime() - Date.now(), endsAt.getTime() - startsAt.getTime()),
  };
}

const floorPercent = (part: number, whole: number): number =>
  whole <= 0 ? 0 : Math.max(0, Math.min(100, Math.floor((part / whole) * 10_000) / 100));
