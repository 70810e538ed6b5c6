/** Adds tokens to a running subscription, or takes them back, on behalf of an operator. */
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
  /** A repeated grant with the same key has no effect. */
  idempotencyKey: string;
  grantedBy: string | null;
};

const takeLeaseMs = 30_000;

/**
 * Adds tokens to the running subscription, or takes them back.
 * @throws TallyError `conflict` where there is no subscription, or too few free tokens to take back
 */
export async function grantTokens(billing: Billing, request: GrantRequest): Promise<void> {
  if (request.tokens < 0) return takeTokens(billing, request);
  await isDone(billing, request.idempotencyKey);
  const granted = await insertGrant(billing.db, { ...request, kind: 'top_up' });
  if (granted === undefined) throw new TallyError('conflict', 'The account has no subscription to add tokens to');
  await updateRedis(billing, granted.subscriptionId, []);
}

/**
 * Lowers the granted tokens. They are held first, so that no running call loses its hold.
 * @throws TallyError `conflict` where too few tokens are free
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
    // It may have committed. Redis must not drop the hold before it gets the lower balance: the lease ends the hold.
    if (isUnavailable(error)) throw error;
    await release(billing, { holdId, subscriptionId });
    if (isUniqueViolation(error)) return 'taken before' as const;
    throw error;
  });
  if (outcome === 'taken before') return;
  if (!outcome) throw new TallyError('conflict', 'The reservation ran out before it could be settled');
  await updateRedis(billing, subscriptionId, [holdId]);
}

/** Best-effort: otherwise Redis gets the balance with the next reserve, and the hold goes when its lease ends. */
async function updateRedis(billing: Billing, subscriptionId: string, holdIds: string[]): Promise<void> {
  const apply = async () =>
    applyToRedis(billing, subscriptionId, await readSnapshot(billing.db, subscriptionId), holdIds);
  await apply().catch((err) => billing.log.warn({ err }, 'Redis learns of a grant at the next reserve'));
}

/** @throws TallyError `idempotency_conflict` for a key whose first use is older than the lifetime of keys */
async function isDone(billing: Billing, idempotencyKey: string): Promise<boolean> {
  const earlier = await findGrant(billing.db, idempotencyKey);
  if (earlier?.isRecent === false)
    throw new TallyError('idempotency_conflict', 'This Idempotency-Key was used for an earlier grant: use a new one');
  return earlier !== undefined;
}
