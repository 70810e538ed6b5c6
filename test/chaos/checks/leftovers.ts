/** Checks that no hold, lease or stray row remains, and that Postgres and Redis agree. */
import { setTimeout as sleep } from 'node:timers/promises';
import { auditPageTwice } from '@tally/billing';
import { minId } from '@tally/core';
import { countStrayLedgerRows } from '@tally/db';
import { holdLeaseMs, until } from '@tally/testing';
import type { World } from '../world.ts';

/** The time for a sweep after the lease has expired. */
const sweepMs = 10_000;
const settleMs = 1_500;
const pageSize = 1_000;

export async function checkLeftovers({ system, journal }: World): Promise<void> {
  const { db } = system.billing;
  const countHolds = async () => (await db.pool.query('select id from token_holds')).rows.length;
  await until(async () => (await countHolds()) === 0, holdLeaseMs + sweepMs).catch(() => undefined);
  const holds = await countHolds();
  if (holds > 0) journal.addViolation('leftovers', `${holds} holds are left`);
  const leases = await db.pool.query(`select id from jobs where lease_expires_at is not null`);
  if (leases.rows.length > 0) journal.addViolation('leftovers', `${leases.rows.length} leases are left`);
  const { grants, usage } = await countStrayLedgerRows(db);
  if (grants + usage > 0)
    journal.addViolation('leftovers', `${grants} grants and ${usage} calls belong to no subscription`);
  const audit = { afterId: minId, limit: pageSize, settleMs, sleep };
  for (const { subscriptionId, where, what } of (await auditPageTwice(system.billing, audit)).findings)
    journal.addViolation(
      where === 'postgres' ? 'balances' : 'leftovers',
      `subscription ${subscriptionId}: ${where}: ${what}`,
    );
}
