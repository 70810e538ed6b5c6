/** Settles a call: writes its actual usage once, together with the output. */
import type { Settlement, SettleOutcome } from '@tally/db';
import { applyToRedis } from './release.ts';
import type { Billing } from './services.ts';

/**
 * Writes one call, one job's transition, or both, in one transaction; then updates Redis. That update may be late or
 * lost: the hold's lease ends there by itself, and a newer balance arrives with the next reserve.
 *
 * Repeating it after an unknown commit is safe: a call is identified by its hold's id, a transition by the job's fence.
 * @throws Postgres errors; then nothing was written, or the outcome is unknown
 */
export async function settle(billing: Billing, settlement: Settlement): Promise<SettleOutcome> {
  const outcome = await billing.writes.settle(settlement);
  if (settlement.call && outcome.call) {
    const { holdId, excess } = settlement.call;
    const holdIds = excess === undefined ? [holdId] : [holdId, excess.holdId];
    applyToRedis(billing, outcome.call.subscriptionId, outcome.call.snapshot, holdIds).catch((err) =>
      billing.log.warn({ err, hold_id: holdId }, 'a settled hold stays in Redis until its lease ends'),
    );
  }
  return outcome;
}
