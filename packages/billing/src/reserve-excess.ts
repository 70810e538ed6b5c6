/** Holds the tokens that a call used above its hold, as far as the account has free tokens. */
import { release } from './release.ts';
import { type ReserveRequest, reserve } from './reserve.ts';
import type { Billing } from './services.ts';

export type ExcessRequest = Pick<ReserveRequest, 'accountId' | 'jobId' | 'step' | 'fence' | 'leaseMs'> & {
  /** The subscription of the call's hold. */
  subscriptionId: string;
  /** Tokens used above the call's hold. */
  tokens: number;
};

/**
 * A second hold for the excess, or for the part of it that is free; undefined where nothing is free. It follows the
 * rules of every reserve, so that no token is billed that another call holds. @throws as {@link reserve}
 */
export async function reserveExcess(
  billing: Billing,
  request: ExcessRequest,
): Promise<{ holdId: string; tokens: number } | undefined> {
  const { subscriptionId, tokens, ...rest } = request;
  const answer = await reserve(billing, { ...rest, wantTokens: tokens, minTokens: 1, ageMs: 0, mayWait: false });
  if (answer.outcome !== 'granted') return undefined;
  if (answer.subscriptionId === subscriptionId) return { holdId: answer.holdId, tokens: answer.tokens };
  // The period has ended in the meantime; the next period must not pay for this call.
  await release(billing, answer);
  return undefined;
}
