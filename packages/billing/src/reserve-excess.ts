/** Holding what a call has used above its own hold, as far as the account has tokens that no hold takes. */
import { release } from './release.ts';
import { type ReserveRequest, reserve } from './reserve.ts';
import type { Billing } from './services.ts';

export type ExcessRequest = Pick<ReserveRequest, 'accountId' | 'jobId' | 'step' | 'fence' | 'leaseMs'> & {
  /** The subscription that holds the call. */
  subscriptionId: string;
  /** What the call used above its hold. */
  tokens: number;
};

/**
 * A second hold for the difference, or for the part of it that is free; undefined where nothing is. By the rules of every
 * reserve, so that nothing is billed that another call may bill. @throws as {@link reserve}
 */
export async function reserveExcess(
  billing: Billing,
  request: ExcessRequest,
): Promise<{ holdId: string; tokens: number } | undefined> {
  const { subscriptionId, tokens, ...rest } = request;
  const answer = await reserve(billing, { ...rest, wantTokens: tokens, minTokens: 1, ageMs: 0, mayWait: false });
  if (answer.outcome !== 'granted') return undefined;
  if (answer.subscriptionId === subscriptionId) return { holdId: answer.holdId, tokens: answer.tokens };
  // The period has ended since: the next one does not pay for it.
  await release(billing, answer);
  return undefined;
}
