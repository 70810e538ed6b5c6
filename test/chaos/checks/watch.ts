/** Looks at the ledger all the time, past the proxy: what is wrong for a moment only must not be either. */
import { setTimeout as sleep } from 'node:timers/promises';
import { minId } from '@tally/core';
import { auditSubscriptions, isUnavailable } from '@tally/db';
import type { World } from '../world.ts';
import { countOpen } from './jobs.ts';

export type Watch = { stop(): Promise<void>; looks(): number };

const everyMs = 250;
/** Adding up every row takes longer than reading the balances. */
const foldEvery = 12;
const page = 1_000;

/** Begins to look four times a second; while Postgres is away there is nothing to see. */
export function startWatch(world: World): Watch {
  const stopped = new AbortController();
  let looks = 0;

  async function keepLooking(): Promise<void> {
    for (let number = 1; !stopped.signal.aborted; number++) {
      try {
        await noteHolds(world);
        world.journal.openJobs = await countOpen(world);
        await lookAtBalances(world);
        if (number % foldEvery === 0) await lookAtFolds(world);
        looks++;
      } catch (error) {
        if (!isUnavailable(error)) world.say(`a look at the ledger failed: ${String(error)}`);
      }
      await sleep(everyMs, undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  }

  const loop = keepLooking();
  return {
    looks: () => looks,
    async stop() {
      stopped.abort();
      await loop;
    },
  };
}

/** A call whose worker dies keeps its hold until a lease runs out, so that no lost call is missed here. */
async function noteHolds({ system, journal }: World): Promise<void> {
  const { rows } = await system.billing.db.pool.query<{ id: string; job_id: string; tokens: number }>(
    'select id, job_id, tokens from token_holds',
  );
  for (const { id, job_id, tokens } of rows) journal.holds.set(id, { jobId: job_id, tokens });
}

async function lookAtBalances({ system, journal }: World): Promise<void> {
  const { rows } = await system.billing.db.pool.query<{ subscription_id: string; consumed: number; granted: number }>(
    `select subscription_id, tokens_consumed as consumed, tokens_granted as granted from subscription_balances
     where tokens_consumed > tokens_granted`,
  );
  for (const { subscription_id: id, consumed, granted } of rows)
    journal.violate('balances', `subscription ${id} is overdrawn: ${consumed} of ${granted}`);
}

async function lookAtFolds({ system, journal }: World): Promise<void> {
  for (const { subscriptionId: id, balance, fold } of await auditSubscriptions(system.billing.db, {
    afterId: minId,
    limit: page,
  })) {
    if (fold.tokensConsumed > fold.tokensGranted)
      journal.violate('balances', `subscription ${id} is overdrawn by its rows`);
    if (fold.tokensConsumed !== balance.tokensConsumed || fold.tokensGranted !== balance.tokensGranted)
      journal.violate('balances', `subscription ${id}: ${JSON.stringify(balance)} is not ${JSON.stringify(fold)}`);
  }
}
