/** Measures how long work takes to resume after a fault. */
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@tally/testing';
import { send } from './clients/http.ts';
import type { Account } from './clients/tenants.ts';
import type { RunningJob } from './fleet.ts';
import type { World } from './world.ts';

const retryEveryMs = 25;
const submitLimitMs = 2_000;
/** A job takes about 300 ms. */
const normalLatencyMs = 1_000;
const normalLatencyLimitMs = 20_000;
let canaries = 0;

/** Submits a question as `account` and resolves once its job is completed. @throws after `limitMs` */
export async function canaryAnswered(world: World, account: Account, limitMs: number): Promise<void> {
  const number = ++canaries;
  const endsAt = Date.now() + limitMs;
  for (let apiIndex = number; Date.now() < endsAt; apiIndex++) {
    const jobId = await submitCanary(world, account, number, apiIndex);
    if (jobId === undefined) await sleep(retryEveryMs);
    else return void (await until(() => isCompleted(world, jobId), endsAt - Date.now()));
  }
  throw new Error(`no API accepted a job within ${limitMs} ms`);
}

/** Waits until a job is answered in normal time, or for 20 s, so that a fault doesn't distort the next measurement. */
export async function waitForNormalLatency(world: World): Promise<void> {
  const endsAt = Date.now() + normalLatencyLimitMs;
  while (Date.now() < endsAt) {
    const startedAt = Date.now();
    await canaryAnswered(world, world.tenants.canary, normalLatencyLimitMs).catch(() => undefined);
    if (Date.now() - startedAt < normalLatencyMs) return;
  }
}

/** Resolves with the last of these jobs once none of them runs under its earlier claim. @throws after `limitMs` */
export async function movedOn({ system }: World, jobs: RunningJob[], limitMs: number): Promise<RunningJob | undefined> {
  let stuck = jobs;
  const areAll = async () => {
    const { rows } = await system.billing.db.pool.query<{ id: string }>(
      `select j.id from unnest($1::uuid[], $2::integer[]) as u (id, fence)
       join jobs j on j.id = u.id and j.fence = u.fence and j.status = 'running'`,
      [stuck.map(({ id }) => id), stuck.map(({ fence }) => fence)],
    );
    const still = stuck.filter((job) => rows.some(({ id }) => id === job.id));
    if (still.length > 0) stuck = still;
    return still.length === 0;
  };
  await until(areAll, limitMs);
  return stuck[0];
}

async function submitCanary(
  { fleet, journal }: World,
  { token }: Account,
  number: number,
  apiIndex: number,
): Promise<string | undefined> {
  const api = fleet.apis[apiIndex % fleet.apis.length];
  const answer = await send(api?.url ?? '', {
    method: 'POST',
    path: '/api/ai/ask-question',
    token,
    body: { question: `How many days do I have to return a lamp? (canary ${number})` },
    headers: { 'idempotency-key': `canary-${number}` },
    limitMs: submitLimitMs,
  });
  if (answer?.status !== 202) return undefined;
  const jobId = String(answer.body.job_id);
  journal.promises.set(jobId, Date.now());
  return jobId;
}

async function isCompleted({ system }: World, jobId: string): Promise<boolean> {
  const { rows } = await system.billing.db.pool.query<{ status: string }>('select status from jobs where id = $1', [
    jobId,
  ]);
  return rows[0]?.status === 'completed';
}
