/** Adding tokens to a running subscription, and taking them away: the two acts of an operator on a balance. */
import { idFrom, TallyError } from '@tally/core';
import {
  findGrant,
  insertGrant,
  isUnavailable,
  isUniqueViolation,
  readSnapshot,
  settleTakeBack,
  takeBackStep,
} from '@tally/db';
import { applyToRedis, release } from './release.ts';
import { reserve } from './reserve.ts';
import type { Billing } from './services.ts';

export type GrantRequest = {
  accountId: string;
  /** Positive adds, negative takes away; never 0. */
  tokens: number;
  reason: string;
  /** Repeating a grant with the same key changes nothing. */
  idempotencyKey: string;
  grantedBy: string | null;
};

const takeLeaseMs = 30_000;

/**
 * Adds to, or takes from, the running subscription.
 * @throws TallyError `conflict` where there is no subscription, or where fewer tokens are free than are to be taken
 */
export async function grantTokens(billing: Billing, request: GrantRequest): Promise<void> {
  if (request.tokens < 0) return takeTokens(billing, request);
  await isDone(billing, request.idempotencyKey);
  const granted = await insertGrant(billing.db, { ...request, kind: 'top_up' });
  if (granted === undefined) throw new TallyError('conflict', 'The account has no subscription to add tokens to');
  await tellRedis(billing, granted.subscriptionId, []);
}

/**
 * Lowers what was granted, by tokens that are free: they are held first, so that no running call loses what it holds.
 * @throws TallyError `conflict` where fewer are free
 */
async function takeTokens(billing: Billing, request: GrantRequest): Promise<void> {
  const { idempotencyKey, reason, grantedBy } = request;
  if (await isDone(billing, idempotencyKey)) return;
  const tokens = -request.tokens;
  const reservation = await reserve(billing, {
    accountId: request.accountId,
    jobId: idFrom(idempotencyKey),
    step: takeBackStep,
    fence: 0,
    wantTokens: tokens,
    minTokens: tokens,
    leaseMs: takeLeaseMs,
    ageMs: 0,
    mayWait: false,
  });
  if (reservation.outcome !== 'granted')
    throw new TallyError('conflict', `${tokens} tokens are not free to be taken from this account`);
  const { holdId, subscriptionId } = reservation;
  const settled = settleTakeBack(billing.db, { holdId, reason, idempotencyKey, grantedBy });
  const outcome = await settled.catch(async (error) => {
    // If it was settled all the same, Redis must not see the hold go before it hears of the fall: its lease ends it.
    if (isUnavailable(error)) throw error;
    await release(billing, { holdId, subscriptionId });
    if (isUniqueViolation(error)) return 'taken before' as const;
    throw error;
  });
  if (outcome === 'taken before') return;
  if (!outcome) throw new TallyError('conflict', 'The reservation ran out before it could be settled');
  await tellRedis(billing, subscriptionId, [holdId]);
}

/** What is committed is done: Redis learns of it at the next reserve, and a settled hold stays until its lease ends. */
async function tellRedis(billing: Billing, subscriptionId: string, holdIds: string[]): Promise<void> {
  const told = async () =>
    applyToRedis(billing, subscriptionId, await readSnapshot(billing.db, subscriptionId), holdIds);
  await told().catch((err) => billing.log.warn({ err }, 'Redis learns of a grant at the next reserve'));
}

/** @throws TallyError `idempotency_conflict` for a key that was used longer ago than keys live */
async function isDone(billing: Billing, idempotencyKey: string): Promise<boolean> {
  const earlier = await findGrant(billing.db, idempotencyKey);
  if (earlier?.isRecent === false)
    throw new TallyError('idempotency_conflict', 'This Idempotency-Key was used for an earlier grant: use a new one');
  return earlier !== undefined;
}
