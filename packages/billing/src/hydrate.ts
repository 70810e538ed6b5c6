/** Rebuilds an account in Redis from Postgres: one worker at a time; Postgres decides which leases have expired. */
import { setTimeout as sleep } from 'node:timers/promises';
import { newId, runScript } from '@tally/core';
import { readHydration } from '@tally/db';
import { keysOf, scripts } from './scripts.ts';
import type { Billing } from './services.ts';

// Longer than one read of a subscription's balance and holds; when it runs out, the next worker starts over.
const nonceTtlMs = 5_000;

/**
 * Hydrates the account, or waits briefly while another worker does; either way the caller reserves again.
 * @throws Postgres or Redis errors while they are unavailable
 */
export async function hydrate(billing: Billing, subscriptionId: string): Promise<void> {
  const keys = keysOf(billing.keyPrefix, subscriptionId);
  const nonce = newId();
  const [isOurs, ...expired] = (await runScript(
    billing.redis,
    scripts.hydrateBegin,
    [keys.nonce, keys.holds],
    [nonce, nonceTtlMs],
  )) as [number, ...string[]];
  if (isOurs !== 1) {
    await sleep(5 + Math.random() * 25);
    return;
  }
  const snapshot = await readHydration(billing.db, subscriptionId);
  await runScript(
    billing.redis,
    scripts.hydrateApply,
    [keys.account, keys.holds, keys.sizes, keys.nonce],
    [
      nonce,
      snapshot.tokensGranted,
      snapshot.tokensConsumed,
      snapshot.version,
      JSON.stringify(expired),
      JSON.stringify(snapshot.holds.map((hold) => [hold.id, hold.tokens, hold.leaseMs])),
    ],
  );
}
