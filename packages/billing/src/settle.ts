/** Settling: what a call really used, written once, with the output it paid for. */
import type { Settlement, SettleOutcome } from '@tally/db';
import { applyToRedis } from './release.ts';
import type { Billing } from './services.ts';

/**
 * Writes one call, one job's move, or both, in one transaction; then tells Redis, which may be told late or never: the
 * hold's lease ends there by itself and a newer balance arrives with the next reserve.
 *
 * Repeating it after an unknown commit is safe: a call is found by its hold's id, a move by the job's fence.
 * @throws what Postgres throws; nothing was written, or the outcome is unknown
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
