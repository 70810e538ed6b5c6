/**
 * `npm run chaos -- --fairness`: measures how long another account's jobs wait behind one account's backlog of 10,000.
 * It injects no faults. The absolute figures depend on the machine, their ratio does not.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Installation, startInstallation } from '@tally/testing';
import { send } from './clients/http.ts';
import { type Account, openTenants } from './clients/tenants.ts';
import { controlSandbox } from './sandbox.ts';
import { modelDelayMs } from './world.ts';

const backlogJobs = 10_000;
const clients = 40;
const workers = 2;
/** Time to warm caches and open connections. */
const warmUpMs = 4_000;
// The two measurements alternate, so that a slower machine affects both.
const rounds = 3;
const roundMs = 2_500;
const probesARound = 10;
const p95LimitMs = 1_000;
const minShare = 0.9;
const progressEveryMs = 2_000;

type Figures = { p50Ms: number; p95Ms: number; worstMs: number; alonePerS: number; besidePerS: number };

/** Measures and prints the result; returns the exit code, 1 where a limit is exceeded. */
export async function measureFairness(
  say: (line: string) => void,
  atEnd: (end: () => Promise<void>) => void,
): Promise<number> {
  const system = await startInstallation();
  atEnd(() => system.stop());
  const api = await system.startApi({ LIMIT_QUEUED_JOBS: '0' });
  await controlSandbox(system.sandbox.url).setModelDelay(modelDelayMs);
  const { rich: heavy, canary: light } = await openTenants(system, api.url, 1);

  const submitted = submitBacklog(api.url, heavy);
  const progress = setInterval(() => say(`${submitted.count()} of ${backlogJobs} jobs queued`), progressEveryMs);
  await submitted.done;
  clearInterval(progress);
  await Promise.all(Array.from({ length: workers }, () => system.startWorker()));
  await sleep(warmUpMs);

  say(`backlog: ${backlogJobs} jobs of ${modelDelayMs} ms`);
  const [alone, beside]: [number[], number[]] = [[], []];
  const starts: Promise<number>[] = [];
  for (let round = 1; round <= rounds; round++) {
    alone.push(await rateWhile(system, heavy, () => sleep(roundMs)));
    beside.push(
      await rateWhile(system, heavy, async () => {
        for (let probe = 1; probe <= probesARound; probe++) {
          starts.push(startOf(system, api.url, light, starts.length));
          await sleep(roundMs / probesARound);
        }
      }),
    );
    say(
      `round ${round}: ${alone.at(-1)?.toFixed(0)} jobs/s alone, ${beside.at(-1)?.toFixed(0)} beside another account`,
    );
  }
  const sorted = (await Promise.all(starts)).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
  const mean = (rates: number[]) => rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
  return report(say, {
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    worstMs: at(1),
    alonePerS: mean(alone),
    besidePerS: mean(beside),
  });
}

function report(say: (line: string) => void, { p50Ms, p95Ms, worstMs, alonePerS, besidePerS }: Figures): number {
  const share = besidePerS / alonePerS;
  say(`a single job starts after ${p50Ms} ms (p50), ${p95Ms} ms (p95; at most ${p95LimitMs}), ${worstMs} ms (worst)`);
  say(
    `the account with the backlog has ${besidePerS.toFixed(0)} of ${alonePerS.toFixed(0)} jobs/s:` +
      ` ${(share * 100).toFixed(0)} % (at least ${minShare * 100})`,
  );
  return p95Ms <= p95LimitMs && share >= minShare ? 0 : 1;
}

/** Submits the backlog over HTTP while no worker runs. */
function submitBacklog(url: string, { token }: Account): { count(): number; done: Promise<unknown> } {
  let begun = 0;
  let accepted = 0;
  const client = async () => {
    while (begun < backlogJobs) {
      const body = { question: `How many days do I have to return a lamp? (${++begun})` };
      const answer = await send(url, { method: 'POST', path: '/api/ai/ask-question', token, body });
      if (answer?.status !== 202) throw new Error(`a job was not accepted: ${JSON.stringify(answer)}`);
      accepted++;
    }
  };
  return { count: () => accepted, done: Promise.all(Array.from({ length: clients }, client)) };
}

/** Completed jobs of an account per second, while `work` runs. */
async function rateWhile(system: Installation, account: Account, work: () => Promise<unknown>): Promise<number> {
  const count = async () => {
    const { rows } = await system.billing.db.pool.query<{ count: number }>(
      `select count(*) from jobs where account_id = $1 and status = 'completed'`,
      [account.accountId],
    );
    return rows[0]?.count ?? 0;
  };
  const [before, beganAt] = [await count(), performance.now()];
  await work();
  const [after, endedAt] = [await count(), performance.now()];
  if (after >= backlogJobs) throw new Error('the backlog ended before the measurement did');
  return ((after - before) * 1_000) / (endedAt - beganAt);
}

/** Asks one question and waits for its answer; returns the milliseconds from acceptance until a worker started it. */
async function startOf(system: Installation, url: string, { token }: Account, number: number): Promise<number> {
  const answer = await send(url, {
    method: 'POST',
    path: '/api/ai/ask-question',
    token,
    body: { question: `How many days do I have to return a lamp? (single ${number})` },
    headers: { prefer: 'wait=30' },
    limitMs: 40_000,
  });
  const job = answer?.body.job as { id: string; status: string } | undefined;
  if (job?.status !== 'completed') throw new Error(`a single job was not answered: ${JSON.stringify(answer)}`);
  const { rows } = await system.billing.db.pool.query<{ ms: number }>(
    'select round(extract(epoch from started_at - created_at) * 1000)::integer as ms from jobs where id = $1',
    [job.id],
  );
  return rows[0]?.ms ?? 0;
}
