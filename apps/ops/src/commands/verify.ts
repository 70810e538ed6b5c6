/** `npm run verify`: compares every balance with its ledger rows and with Redis. */
import { setTimeout as sleep } from 'node:timers/promises';
import { auditPageTwice, type Billing } from '@tally/billing';
import { minId } from '@tally/core';
import { countStrayLedgerRows } from '@tally/db';

const pageSize = 500;
const settleMs = 1_500;
const progressEveryMs = 2_000;

/** Prints each difference. Returns the exit code: 0 if there is none, else 1. */
export async function verify(billing: Billing): Promise<number> {
  let checked = 0;
  let differences = 0;
  let printedAt = performance.now();
  let afterId = minId;
  for (;;) {
    const page = await auditPageTwice(billing, { afterId, limit: pageSize, settleMs, sleep });
    checked += page.subscriptions;
    for (const { subscriptionId, where, what } of page.findings) {
      differences++;
      console.log(`subscription ${subscriptionId}: ${where}: ${what}`);
    }
    if (page.lastId === undefined) break;
    afterId = page.lastId;
    if (performance.now() - printedAt > progressEveryMs) {
      console.log(`… ${checked} subscriptions compared`);
      printedAt = performance.now();
    }
  }
  const stray = await countStrayLedgerRows(billing.db);
  if (stray.grants + stray.usage > 0) {
    differences++;
    console.log(`ledger rows without a subscription: ${stray.grants} grants, ${stray.usage} calls`);
  }
  console.log(
    differences === 0
      ? `Verified: ${checked} subscriptions; rows, balances and Redis agree.`
      : `${differences} differences in ${checked} subscriptions.`,
  );
  return differences === 0 ? 0 : 1;
}
