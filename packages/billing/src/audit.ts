/** Audits subscriptions: compares the ledger rows, the balances and Redis. */
import { runScript } from '@tally/core';
import { type AuditRow, auditSubscriptions } from '@tally/db';
import { keysOf, scripts } from './scripts.ts';
import type { Billing } from './services.ts';

export type Finding = {
  subscriptionId: string;
  /** `postgres`: the ledger itself is wrong and must not be repaired by a program. `redis`: it can be rebuilt. */
  where: 'postgres' | 'redis';
  what: string;
  /** True where a settlement committed in Postgres but not yet applied to Redis looks the same for an instant. */
  mayPass: boolean;
  /** True for a hold that an outage left in Redis: its row is deleted, but not the hold. */
  isLeftover?: boolean;
};

export type AuditPage = { findings: Finding[]; subscriptions: number; lastId: string | undefined };

/** Audits a page of subscriptions by id. Redis lagging behind Postgres is no finding; contradicting it is. */
export async function auditPage(billing: Billing, input: { afterId: string; limit: number }): Promise<AuditPage> {
  const rows = await auditSubscriptions(billing.db, input);
  const findings = await Promise.all(
    rows.map(async (row) => [...auditPostgres(row), ...(await auditRedis(billing, row))]),
  );
  return { findings: findings.flat(), subscriptions: rows.length, lastId: rows.at(-1)?.subscriptionId };
}

function auditPostgres({ subscriptionId, balance, fold }: AuditRow): Finding[] {
  const findings: Finding[] = [];
  const differs = (name: string, shown: number, rows: number) =>
    findings.push({
      subscriptionId,
      where: 'postgres',
      what: `${name} is ${shown}, its rows add up to ${rows}`,
      mayPass: false,
    });
  if (balance.tokensGranted !== fold.tokensGranted)
    differs('tokens_granted', balance.tokensGranted, fold.tokensGranted);
  if (balance.tokensConsumed !== fold.tokensConsumed)
    differs('tokens_consumed', balance.tokensConsumed, fold.tokensConsumed);
  if (fold.tokensConsumed > fold.tokensGranted)
    findings.push({
      subscriptionId,
      where: 'postgres',
      what: `overdrawn: ${fold.tokensConsumed} billed of ${fold.tokensGranted} granted`,
      mayPass: false,
    });
  return findings;
}

async function auditRedis(billing: Billing, row: AuditRow): Promise<Finding[]> {
  const keys = keysOf(billing.keyPrefix, row.subscriptionId);
  const answer = await runScript(billing.redis, scripts.inspect, [keys.account, keys.holds, keys.sizes], []);
  const [isThisServer, granted, consumed, version, held, sum, ...holdIds] = answer as [
    number,
    number,
    number,
    number,
    number,
    number,
    ...string[],
  ];
  // No account, or one written under another server process: the next reserve hydrates it.
  if (isThisServer !== 1) return [];
  const { subscriptionId, balance } = row;
  const finding = (what: string, mayPass = false): Finding => ({ subscriptionId, where: 'redis', what, mayPass });
  const findings: Finding[] = [];
  if (held !== sum) findings.push(finding(`held is ${held}, its holds add up to ${sum}`));
  // The text omits Postgres' version, which advances: a Redis that is really ahead gives the same text twice.
  if (version > balance.version) findings.push(finding(`version ${version} is ahead of Postgres`, true));
  if (version === balance.version && (granted !== balance.tokensGranted || consumed !== balance.tokensConsumed))
    findings.push(
      finding(
        `says ${consumed} of ${granted} at version ${version}, Postgres ${balance.tokensConsumed} of ${balance.tokensGranted}`,
      ),
    );
  const known = new Set(row.holdIds);
  for (const id of holdIds)
    if (!known.has(id)) findings.push({ ...finding(`hold ${id} has no row in Postgres`, true), isLeftover: true });
  return findings;
}

/**
 * Audits a page, and if there are findings audits it again after `settleMs`. Returns the findings of both audits, plus
 * those of the second that are never transient (on a busy subscription their numbers differ each time).
 */
export async function auditPageTwice(
  billing: Billing,
  input: { afterId: string; limit: number; settleMs: number; sleep: (ms: number) => Promise<unknown> },
): Promise<AuditPage> {
  const first = await auditPage(billing, input);
  if (first.findings.length === 0) return first;
  await input.sleep(input.settleMs);
  const again = await auditPage(billing, input);
  const seen = new Set(first.findings.map((finding) => `${finding.subscriptionId} ${finding.what}`));
  return { ...again, findings: again.findings.filter((f) => !f.mayPass || seen.has(`${f.subscriptionId} ${f.what}`)) };
}

/** Deletes an account in Redis, so that the next reserve hydrates it from Postgres. */
export async function repairRedis(billing: Billing, subscriptionId: string): Promise<void> {
  const keys = keysOf(billing.keyPrefix, subscriptionId);
  await runScript(billing.redis, scripts.repair, [keys.account, keys.nonce], []);
}
