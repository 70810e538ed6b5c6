/** Maintenance loops. Every worker runs them; an advisory lock lets one worker at a time run each duty. */
import { setTimeout as sleep } from 'node:timers/promises';
import { auditPageTwice, removeFromRedis, repairRedis } from '@tally/billing';
import { maxId, minId } from '@tally/core';
import {
  carryOverRests,
  endAlarms,
  listRenewalsDue,
  raiseAlarm,
  renewPeriod,
  sweepHolds,
  withAdvisoryLock,
} from '@tally/db';
import { recoverAbandonedJobs, refillLostQueue, scanQueuedJobs } from '@tally/queue';
import type { WorkerServices } from '../services.ts';
import { scheduleHousekeeping } from './housekeeping.ts';
import { watchUnpaidUsage } from './unpaid-usage.ts';

type Duty = { name: string; everyMs: number; run: () => Promise<void> };

const page = 500;
// The audit sums every row of a subscription, so it checks a few subscriptions at a time, continuously.
const auditPageSize = 20;
// A settlement reaches Redis within this time; a difference that lasts longer is real.
const auditSettleMs = 1_000;

function listDuties(services: WorkerServices): Duty[] {
  const { db, billing, log } = services;
  const recovery = { db, queues: services.queues, log };
  let auditedUpTo = minId;
  const taskNames = [...services.queues.byTask.keys()];
  const scannedUpTo = new Map(taskNames.map((name) => [name, minId]));
  return [
    {
      name: 'recover',
      everyMs: 1_000,
      run: async () => {
        for (const name of taskNames) await refillLostQueue(recovery, name);
        await recoverAbandonedJobs(recovery);
      },
    },
    {
      name: 'scan-queued-jobs',
      everyMs: 4_000,
      run: async () => {
        for (const name of taskNames)
          scannedUpTo.set(name, await scanQueuedJobs(recovery, name, scannedUpTo.get(name) ?? minId));
      },
    },
    {
      name: 'sweep-holds',
      everyMs: 2_000,
      run: async () => {
        const gone = await sweepHolds(db, page);
        await removeFromRedis(billing, gone);
        if (gone.length > 0) log.warn({ holds: gone.length }, 'holds whose lease had run out were swept');
      },
    },
    {
      name: 'renew',
      everyMs: 5_000,
      run: async () => {
        for (const accountId of await listRenewalsDue(db, page))
          if (await renewPeriod(db, accountId)) log.info({ account_id: accountId }, 'subscription renewed');
        await carryOverRests(db, page);
      },
    },
    {
      name: 'audit',
      everyMs: 5_000,
      run: async () => {
        auditedUpTo = await auditNextPage(services, auditedUpTo);
      },
    },
    { name: 'watch-provider', everyMs: 10_000, run: () => services.gate.watch() },
    { name: 'watch-unpaid-usage', everyMs: 10_000, run: () => watchUnpaidUsage(services) },
    {
      name: 'schedule-housekeeping',
      everyMs: 30_000,
      run: () => scheduleHousekeeping(services),
    },
  ];
}

/**
 * Audits the next subscriptions: repairs Redis where it differs, and raises or ends alarms about Postgres. Returns the
 * id after which the next page begins.
 */
async function auditNextPage(services: WorkerServices, afterId: string): Promise<string> {
  const { db, billing, log } = services;
  const { findings, lastId } = await auditPageTwice(billing, {
    afterId,
    limit: auditPageSize,
    settleMs: auditSettleMs,
    sleep,
  });
  for (const { subscriptionId, what, isLeftover } of findings.filter(({ where }) => where === 'redis')) {
    log[isLeftover ? 'warn' : 'error']({ subscription_id: subscriptionId }, `Redis differs and is rebuilt: ${what}`);
    await repairRedis(billing, subscriptionId);
  }
  const wrong = Map.groupBy(
    findings.filter(({ where }) => where === 'postgres'),
    ({ subscriptionId }) => subscriptionId,
  );
  for (const [subject, found] of wrong) {
    const what = found.map((finding) => finding.what).join('; ');
    if (await raiseAlarm(db, { kind: 'ledger', subject, what }))
      log.fatal({ subscription_id: subject }, `ALARM, ledger differs: ${what}`);
  }
  const page = { afterId, lastId: lastId ?? maxId };
  for (const subject of await endAlarms(db, { kind: 'ledger', ...page, stillActive: [...wrong.keys()] }))
    log.warn({ subscription_id: subject }, 'the alarm is over: the ledger agrees with its rows');
  return lastId ?? minId;
}

/** Starts the loops; the returned function stops them and waits for running duties. */
export function startMaintenance(services: WorkerServices): () => Promise<void> {
  const stop = new AbortController();
  const loops = listDuties(services).map(async ({ name, everyMs, run }) => {
    while (!stop.signal.aborted) {
      await withAdvisoryLock(services.db, name, run).catch((err) =>
        services.log.warn({ err, duty: name }, 'a duty failed'),
      );
      await sleep(everyMs * (0.75 + Math.random() / 2), undefined, { signal: stop.signal }).catch(() => undefined);
    }
  });
  return async () => {
    stop.abort();
    await Promise.all(loops);
  };
}
