/** Measures how long it takes after a fault until work goes on. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Installation } from '../test/system/installation.ts';
import { until } from '../test/system/until.ts';
import { send } from './clients/http.ts';
import type { Account } from './clients/tenants.ts';
import type { World } from './world.ts';

/** A running job, under the claim that it ran under. */
export type RunningJob = { id: string; fence: number };

const lookEveryMs = 25;
const submitLimitMs = 2_000;
let canaries = 0;

/** The jobs that run now; asked for until Postgres answers. */
export async function listRunning(system: Installation): Promise<RunningJob[]> {
  const { pool } = system.billing.db;
  const { rows } = await until(() => pool.query<RunningJob>(`select id, fence from jobs where status = 'running'`));
  return rows;
}

/** Submits a question for `account` and resolves once it is answered. @throws after `limitMs` */
export async function canaryAnswered(world: World, account: Account, limitMs: number): Promise<void> {
  const number = ++canaries;
  const endsAt = Date.now() + limitMs;
  for (let door = number; Date.now() < endsAt; door++) {
    const jobId = await submitCanary(world, account, number, door);
    if (jobId === undefined) await sleep(lookEveryMs);
    else return waitFor(() => isCompleted(world, jobId), endsAt);
  }
  throw new Error(`no API took a job within ${limitMs} ms`);
}

/** Resolves once no job waits any more for an Instagram that was broken before; also after `limitMs`. */
export async function nobodyWaits(system: Installation, limitMs: number): Promise<void> {
  const isWaiting = async () => {
    const { rows } = await system.billing.db.pool.query(
      `select from instagram_sends where state = 'about_to_send' and started_at < now() - interval '1 second' limit 1`,
    );
    return rows.length > 0;
  };
  await waitFor(async () => !(await isWaiting()), Date.now() + limitMs).catch(() => undefined);
}

/**
 * Resolves once none of these jobs runs under the same claim any more. @throws after `limitMs`
 *
 * @param mayWaitForInstagram Leaves out jobs that wait for an Instagram which may be broken, too, and has 15 s to answer.
 */
export async function movedOn(
  { system }: World,
  jobs: RunningJob[],
  { limitMs, mayWaitForInstagram }: { limitMs: number; mayWaitForInstagram: boolean },
): Promise<void> {
  const stuck = async () => {
    const { rows } = await system.billing.db.pool.query<RunningJob>(
      `select j.id, j.fence from unnest($1::uuid[], $2::integer[]) as u (id, fence)
       join jobs j on j.id = u.id and j.fence = u.fence and j.status = 'running'
       where not $3 or not exists (select from instagram_sends s where s.id = j.id and s.state = 'about_to_send')`,
      [jobs.map(({ id }) => id), jobs.map(({ fence }) => fence), mayWaitForInstagram],
    );
    return rows;
  };
  await waitFor(async () => (await stuck()).length === 0, Date.now() + limitMs);
}

/** Asks until it is so; Postgres may be away meanwhile. @throws at `endsAt` */
export async function waitFor(isSo: () => Promise<boolean>, endsAt: number): Promise<void> {
  while (Date.now() < endsAt) {
    if (await isSo().catch(() => false)) return;
    await sleep(lookEveryMs);
  }
  throw new Error('not within the limit');
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
