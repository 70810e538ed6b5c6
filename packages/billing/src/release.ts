/** Releases holds: first in Postgres, then in Redis, because every hold in Redis must have, or have had, its row. */
import { runScript } from '@tally/core';
import type { DeletedHold, Snapshot } from '@tally/db';
import { keysOf, scripts } from './scripts.ts';
import type { Billing } from './services.ts';

/** Releases a hold whose call was not made. @throws Postgres or Redis errors while they are unavailable */
export async function release(billing: Billing, hold: DeletedHold): Promise<void> {
  await billing.writes.deleteHold(hold.holdId);
  await removeFromRedis(billing, [hold]);
}

/** Removes holds from Redis whose rows are deleted, and applies the newer balance, if given. */
export async function removeFromRedis(billing: Billing, holds: DeletedHold[], balance?: Snapshot): Promise<void> {
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

/** Applies a newer balance to Redis and removes holds. */
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
