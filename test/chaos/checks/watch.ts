/** Samples the ledger during the run, bypassing the proxy, to catch violations that last only a moment. */
import { setTimeout as sleep } from 'node:timers/promises';
import { minId } from '@tally/core';
import { auditSubscriptions, isUnavailable } from '@tally/db';
import type { World } from '../world.ts';
import { countOpen } from './jobs.ts';

export type Watch = { stop(): Promise<void>; samples(): number };

const everyMs = 250;
/** Summing all rows is slower than reading balances, so it runs once per this many samples. */
const foldEverySamples = 12;
const pageSize = 1_000;

/** Samples four times a second; skips samples while Postgres is down. */
export function startWatch(world: World): Watch {
  const stopped = new AbortController();
  let samples = 0;

  async function keepSampling(): Promise<void> {
    for (let number = 1; !stopped.signal.aborted; number++) {
      try {
        await recordHolds(world);
        world.journal.openJobs = await countOpen(world);
        await checkBalances(world);
        if (number % foldEverySamples === 0) await checkFolds(world);
        samples++;
      } catch (error) {
        if (!isUnavailable(error)) world.say(`a ledger sample failed: ${String(error)}`);
      }
      await sleep(everyMs, undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  }

  const loop = keepSampling();
  return {
    samples: () => samples,
    async stop() {
      stopped.abort();
      await loop;
    },
  };
}

/** A hold outlives its worker until its lease expires, so sampling sees the hold of every lost call. */
async function recordHolds({ system, journal }: World): Promise<void> {
  const { rows } = await system.billing.db.pool.query<{ id: string; job_id: string; tokens: number }>(
    'select id, job_id, tokens from token_holds',
  );
  for (const { id, job_id, tokens } of rows) journal.holds.set(id, { jobId: job_id, tokens });
}

async function checkBalances({ system, journal }: World): Promise<void> {
  const { rows } = await system.billing.db.pool.query<{ subscription_id: string; consumed: number; granted: number }>(
    `select subscription_id, tokens_consumed as consumed, tokens_granted as granted from subscription_balances
     where tokens_consumed > tokens_granted`,
  );
  for (const { subscription_id: id, consumed, granted } of rows)
    journal.addViolation('balances', `subscription ${id} is overdrawn: ${consumed} of ${granted}`);
}

async function checkFolds({ system, journal }: World): Promise<void> {
  for (const { subscriptionId: id, balance, fold } of await auditSubscriptions(system.billing.db, {
    afterId: minId,
    limit: pageSize,
  })) {
    if (fold.tokensConsumed > fold.tokensGranted)
      journal.addViolation('balances', `subscription ${id} is overdrawn by its rows`);
    if (fold.tokensConsumed !== balance.tokensConsumed || fold.tokensGranted !== balance.tokensGranted)
      journal.addViolation('balances', `subscription ${id}: ${JSON.stringify(balance)} is not ${JSON.stringify(fold)}`);
  }
}
