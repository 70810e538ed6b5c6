/** Measures how long it takes after a fault until work goes on. */
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@tally/testing';
import { send } from './clients/http.ts';
import type { Account } from './clients/tenants.ts';
import type { RunningJob } from './fleet.ts';
import type { World } from './world.ts';

const lookEveryMs = 25;
const submitLimitMs = 2_000;
/** A job takes about 300 ms. */
const calmMs = 1_000;
const calmLimitMs = 20_000;
let canaries = 0;

/** Submits a question for `account` and resolves once it is answered. @throws after `limitMs` */
export async function canaryAnswered(world: World, account: Account, limitMs: number): Promise<void> {
  const number = ++canaries;
  const endsAt = Date.now() + limitMs;
  for (let door = number; Date.now() < endsAt; door++) {
    const jobId = await submitCanary(world, account, number, door);
    if (jobId === undefined) await sleep(lookEveryMs);
    else return void (await until(() => isCompleted(world, jobId), endsAt - Date.now()));
  }
  throw new Error(`no API took a job within ${limitMs} ms`);
}

/** Resolves once a job is answered as fast as it should, or after a while: a fault shall not be judged by the one before. */
export async function calm(world: World): Promise<void> {
  const endsAt = Date.now() + calmLimitMs;
  while (Date.now() < endsAt) {
    const startedAt = Date.now();
    await canaryAnswered(world, world.tenants.canary, calmLimitMs).catch(() => undefined);
    if (Date.now() - startedAt < calmMs) return;
  }
}

/** Resolves with the last of these jobs once none of them runs under the same claim any more. @throws after `limitMs` */
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
  door: number,
): Promise<string | undefined> {
  const api = fleet.apis[door % fleet.apis.length];
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
