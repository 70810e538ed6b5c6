/** One run: traffic and faults for the given time, then a drain, then every check. */
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@tally/testing';
import { type BookSums, checkBook, type ExtraCall } from './checks/book.ts';
import { checkMessages, checkWebhooks } from './checks/instagram.ts';
import { checkCharges, checkOnce, checkPromises, countOpen } from './checks/jobs.ts';
import { checkLeftovers } from './checks/leftovers.ts';
import { checkErrorCodes, checkLogs } from './checks/logs.ts';
import { startWatch } from './checks/watch.ts';
import { startMeta } from './clients/meta.ts';
import { startTopUps } from './clients/top-ups.ts';
import { startTraffic } from './clients/traffic.ts';
import type { Fault } from './faults/fault.ts';
import type { Violation } from './journal.ts';
import { createRandom } from './random.ts';
import { playScript } from './script.ts';
import type { Incident } from './timeline.ts';
import type { World } from './world.ts';

export type RunResult = {
  incidents: Incident[];
  violations: Violation[];
  extraCalls: ExtraCall[];
  sums: BookSums;
  figures: { promises: number; jobs: Record<string, number>; events: number; topUps: number; samples: number };
};

/** Time for the open jobs to end after submissions have stopped. */
const drainLimitMs = 120_000;
const progressEveryMs = 2_000;
const beginAfterMs = 2_000;

/** Runs for `minutes`, or longer with `requireAll` until every fault was injected, then checks everything. */
export async function run(
  world: World,
  options: { minutes: number; seed: number; faults: readonly Fault[]; requireAll: boolean },
): Promise<RunResult> {
  const { journal } = world;
  const random = createRandom(options.seed);
  const startedAt = Date.now();
  const endsAt = startedAt + options.minutes * 60_000;

  const watch = startWatch(world);
  const traffic = startTraffic(world, random.fork('traffic'));
  const meta = await startMeta(world, random.fork('meta'));
  const topUps = startTopUps(world, random.fork('top-ups'));
  let now = () => 'starting';
  const progress = setInterval(() => sayProgress(world, startedAt, () => now()), progressEveryMs);

  await sleep(beginAfterMs);
  const { requireAll } = options;
  const script = playScript(world, options.faults, random.fork('faults'), { endsAt, requireAll });
  now = script.now;
  await script.done;
  await sleep(Math.max(0, endsAt - Date.now()));

  now = () => 'stopping submissions';
  await Promise.all([traffic.stop(), meta.stop(), topUps.stop()]);
  now = () => 'draining open jobs';
  await until(async () => (await countOpen(world)) === 0, drainLimitMs).catch(() => undefined);
  now = () => 'checking';
  const { sums, extraCalls } = await checkAll(world, script.incidents);
  await watch.stop();
  clearInterval(progress);

  const missing = options.faults.filter(({ name }) => !script.incidents.some(({ fault }) => fault === name));
  if (requireAll) for (const { name } of missing) journal.addViolation('script', `${name} was not injected`);
  return {
    incidents: script.incidents,
    violations: journal.violations,
    extraCalls,
    sums,
    figures: {
      promises: journal.promises.size,
      jobs: await countByStatus(world),
      events: journal.events.size,
      topUps: journal.topUps.size,
      samples: watch.samples(),
    },
  };
}

async function checkAll(
  world: World,
  incidents: readonly Incident[],
): Promise<{ sums: BookSums; extraCalls: ExtraCall[] }> {
  await checkLeftovers(world);
  await checkPromises(world);
  await checkOnce(world);
  await checkCharges(world);
  await checkMessages(world);
  await checkWebhooks(world);
  await checkErrorCodes(world, incidents);
  await checkLogs(world, incidents);
  return checkBook(world);
}

async function countByStatus({ system }: World): Promise<Record<string, number>> {
  const { rows } = await system.billing.db.pool.query<{ status: string; count: number }>(
    `select case when error_code is null then status else status || ' (' || error_code || ')' end as status, count(*)
     from jobs group by 1 order by 2 desc`,
  );
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
}

/** Prints one line without querying Postgres, which may be down. */
function sayProgress(world: World, startedAt: number, now: () => string): void {
  const seconds = String(Math.round((Date.now() - startedAt) / 1_000)).padStart(4);
  const { promises, openJobs, violations } = world.journal;
  world.say(`${seconds} s | ${promises.size} accepted, ${openJobs} open | ${violations.length} violations | ${now()}`);
}
