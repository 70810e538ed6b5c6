/** Reserves tokens before a model call: records the intent in Postgres, then decides in Redis. */
import { type AccessRefusal, newId, runScript, TallyError } from '@tally/core';
import { renewPeriod, type Snapshot } from '@tally/db';
import { hydrate } from './hydrate.ts';
import { release } from './release.ts';
import { keysOf, scripts } from './scripts.ts';
import type { Billing } from './services.ts';

export type ReserveRequest = {
  accountId: string;
  jobId: string;
  step: string;
  fence: number;
  /** Counted input + margin + the task's output limit. */
  wantTokens: number;
  /** Counted input + margin + the task's smallest useful output; at most `wantTokens`. */
  minTokens: number;
  /** The hold's lifetime: longer than the call may take, counted from before this request. */
  leaseMs: number;
  /** Time since the job was accepted: older jobs go first where tokens are short. */
  ageMs: number;
  /** False for a caller that does not retry: it takes what is free from `minTokens` up; nothing is kept for it. */
  mayWait?: boolean;
};

export type Reservation =
  /** The call may use `tokens`, input included. */
  | { outcome: 'granted'; holdId: string; subscriptionId: string; tokens: number }
  /** Tokens exist, but running jobs hold them. */
  | { outcome: 'wait' }
  /** `remainingTokens` includes held tokens; undefined where the subscription itself refuses. */
  | { outcome: 'refused'; reason: AccessRefusal; remainingTokens?: number };

type Decision = 'GRANTED' | 'WAIT' | 'EXHAUSTED' | 'HYDRATE';

const noSnapshot: Snapshot = { tokensGranted: 0, tokensConsumed: 0, version: 0 };
const hydrationTries = 100;

/**
 * Holds tokens for one model call under a new hold id. Any outcome but `granted` leaves nothing held.
 * @throws TallyError `unavailable` where Redis keeps losing the account; Postgres or Redis errors while unavailable
 */
export async function reserve(billing: Billing, request: ReserveRequest): Promise<Reservation> {
  if (await isStillWaiting(billing, request)) return { outcome: 'wait' };
  const holdId = newId();
  const intent = await insertIntent(billing, holdId, request);
  if (intent.outcome === 'refused') return intent;
  const { subscriptionId, snapshot } = intent;
  let decision: [Decision, number];
  try {
    decision = await decideHydrated(billing, subscriptionId, holdId, request, snapshot);
  } catch (error) {
    await release(billing, { holdId, subscriptionId }).catch(() => undefined);
    throw error;
  }
  if (decision[0] === 'GRANTED') return { outcome: 'granted', holdId, subscriptionId, tokens: decision[1] };
  await release(billing, { holdId, subscriptionId });
  if (decision[0] === 'EXHAUSTED')
    return { outcome: 'refused', reason: 'no_tokens_remaining', remainingTokens: decision[1] };
  billing.waiting.set(request.accountId, subscriptionId);
  return { outcome: 'wait' };
}

async function insertIntent(billing: Billing, holdId: string, request: ReserveRequest) {
  for (let tries = 0; tries < 3; tries++) {
    const intent = await billing.writes.insertHold({ ...request, holdId });
    if (intent.outcome === 'renewal_due') await renewPeriod(billing.db, request.accountId);
    // One period may have ended and the next begun at this moment.
    else if (intent.outcome === 'held' || intent.reason !== 'no_subscription' || tries > 0) return intent;
  }
  return { outcome: 'refused', reason: 'subscription_expired' } as const;
}

async function decideHydrated(
  billing: Billing,
  subscriptionId: string,
  holdId: string,
  request: ReserveRequest,
  snapshot: Snapshot,
): Promise<[Decision, number]> {
  for (let tries = 0; tries < hydrationTries; tries++) {
    const decision = await decide(billing, subscriptionId, holdId, request, snapshot);
    if (decision[0] !== 'HYDRATE') return decision;
    await hydrate(billing, subscriptionId);
  }
  throw new TallyError('unavailable', 'The token ledger is being rebuilt', { retryAfterMs: 1_000 });
}

async function decide(
  billing: Billing,
  subscriptionId: string,
  holdId: string,
  request: ReserveRequest,
  snapshot: Snapshot,
): Promise<[Decision, number]> {
  const keys = keysOf(billing.keyPrefix, subscriptionId);
  const answer = await runScript(
    billing.redis,
    scripts.reserve,
    [keys.account, keys.holds, keys.sizes],
    [
      holdId,
      request.wantTokens,
      request.minTokens,
      request.leaseMs,
      snapshot.tokensGranted,
      snapshot.tokensConsumed,
      snapshot.version,
      request.mayWait === false ? '' : request.jobId,
      Math.round(request.ageMs),
    ],
  );
  return answer as [Decision, number];
}

/** Asks Redis first for an account known to wait, so that each attempt doesn't insert and delete a hold row. */
async function isStillWaiting(billing: Billing, request: ReserveRequest): Promise<boolean> {
  const subscriptionId = billing.waiting.get(request.accountId);
  if (subscriptionId === undefined) return false;
  const [decision] = await decide(billing, subscriptionId, '', request, noSnapshot);
  if (decision === 'WAIT') return true;
  billing.waiting.delete(request.accountId);
  return false;
}
