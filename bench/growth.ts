/** Measures whether long tables and a long queue slow down single requests, before and after filling. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Installation, submitMany } from './installation.ts';
import { settleJobs, startLedger } from './ledger.ts';
import { say } from './rounds.ts';
import { type Percentiles, percentilesOf } from './statistics.ts';
import { startApis, startLoad, submitAll } from './submissions.ts';
import type { World } from './world.ts';

type Figures = { settleMs: Percentiles; submitMs: Percentiles };
export type Growth = { empty: Figures; long: Figures; logRows: number; queuedJobs: number };

const samples = 300;
const logPage = 250_000;
const queuePage = 25_000;

export async function measureGrowth(
  world: World,
  installation: Installation,
  size: { logRows: number; queuedJobs: number },
): Promise<Growth> {
  const [ledger, load, apis] = await Promise.all([
    startLedger(world, installation),
    startLoad(world),
    startApis(world, installation),
  ]);
  // One at a time, so that latency shows growth and not waiting.
  const measure = async (): Promise<Figures> => {
    const { latenciesMs } = await settleJobs(ledger, installation, samples, 1);
    const { p50Ms, p95Ms, p99Ms } = await submitAll(load, apis.tally, { count: samples, connections: 1 });
    return { settleMs: percentilesOf(latenciesMs), submitMs: { p50: p50Ms, p95: p95Ms, p99: p99Ms } };
  };
  say('single requests on empty tables');
  await measure();
  const empty = await measure();
  await fillLog(installation, size.logRows);
  for (let done = 0; done < size.queuedJobs; done += queuePage) {
    await submitMany(installation, Math.min(queuePage, size.queuedJobs - done));
    say(`queueing jobs: ${Math.min(done + queuePage, size.queuedJobs)} of ${size.queuedJobs}`);
  }
  await runMaintenance(installation);
  await sleep(1_000);
  say('single requests on long tables');
  await measure();
  const long = await measure();
  await Promise.all([ledger, load, apis.tally.api, apis.bare.api].map((child) => child.stop()));
  return { empty, long, ...size };
}

/** Runs Postgres' pending maintenance now, so that it does not run during a measurement. */
async function runMaintenance({ db }: Installation): Promise<void> {
  const client = await db.pool.connect();
  try {
    for (const statement of ['set statement_timeout = 0', 'vacuum analyze', 'checkpoint'])
      await client.query(statement);
  } finally {
    client.release(true);
  }
}

/** Inserts settled calls of earlier days for all accounts in rotation; the triggers update the balances as usual. */
async function fillLog({ db, accounts }: Installation, rows: number): Promise<void> {
  for (let done = 0; done < rows; done += logPage) {
    const count = Math.min(logPage, rows - done);
    await db.pool.query(
      `insert into ai_usage_log (id, account_id, subscription_id, job_id, step, fence, task, model, input_tokens,
         cached_input_tokens, output_tokens, reasoning_tokens, total_tokens, billed_tokens, evidence, outcome, latency_ms, created_at)
       select uuidv7(), ($1::uuid[])[1 + n % cardinality($1)], ($2::uuid[])[1 + n % cardinality($2)], uuidv7(), 'answer', 1,
         'ask-question', 'none', 400, 0, 30, 0, 430, 430, 'reported', 'answered', 900, now() - make_interval(secs => n)
       from generate_series(1, $3::integer) n`,
      [accounts.map((a) => a.accountId), accounts.map((a) => a.subscriptionId), count],
    );
    say(`filling the log: ${done + count} of ${rows} rows`);
  }
}
