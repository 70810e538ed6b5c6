/** Giving a hold back: first in Postgres, then in Redis, for a hold in Redis must always have had its row. */
import { runScript } from '@tally/core';
import type { GoneHold, Snapshot } from '@tally/db';
import { keysOf, scripts } from './scripts.ts';
import type { Billing } from './services.ts';

/** Gives back a hold whose call was not made. @throws what Postgres or Redis throw when they are away */
export async function release(billing: Billing, hold: GoneHold): Promise<void> {
  await billing.writes.deleteHold(hold.holdId);
  await removeFromRedis(billing, [hold]);
}

/** Removes from Redis holds whose rows are gone, and applies the balance that came with that, if one did. */
export async function removeFromRedis(billing: Billing, holds: GoneHold[], balance?: Snapshot): Promise<void> {
  const bySubscription = Map.groupBy(holds, (hold) => hold.subscriptionId);
  await Promise.all(
    [...bySubscription].map(([subscriptionId, gone]) =>
      applyToRedis(
        billing,
        subscriptionId,
        balance,
        gone.map((hold) => hold.holdId),
      ),
    ),
  );
}

/** Applies a newer balance to Redis, and removes holds. */
export async function applyToRedis(
  billing: Billing,
  subscriptionId: string,
  balance: Snapshot | undefined,
  holdIds: string[],
): Promise<void> {
  const keys = keysOf(billing.keyPrefix, subscriptionId);
  await runScript(
    billing.redis,
    scripts.settle,
    [keys.account, keys.holds, keys.sizes],
    [balance?.tokensGranted ?? 0, balance?.tokensConsumed ?? 0, balance?.version ?? 0, ...holdIds],
  );
}
