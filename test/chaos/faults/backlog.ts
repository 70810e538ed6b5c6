/** FLUSHALL while 1,000 jobs are queued: Redis must be refilled from Postgres. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createLogger, minId } from '@tally/core';
import { listQueuedJobs } from '@tally/db';
import { findUnknown, openQueues } from '@tally/queue';
import { until } from '@tally/testing';
import { submit } from '../clients/submit.ts';
import type { Random } from '../random.ts';
import { modelDelayMs, type World } from '../world.ts';
import type { Fault } from './fault.ts';

const queuedJobs = 1_000;
const maxJobs = 3_000;
const atATime = 25;
const task = 'ask-question';
/** Below MODEL_TIMEOUT_MS of the test installation, so that no call times out. */
const slowModelMs = 3_000;
const drainLimitMs = 90_000;

let runs = 0;

export const flushFault: Fault = {
  name: 'redis-flushall',
  lane: 'inside',
  limitMs: 15_000,
  isExclusive: true,
  async inject(world, random) {
    const { system, sandbox } = world;
    await sandbox.setModelDelay(slowModelMs);
    await buildUp(world, random.fork(`backlog ${++runs}`));
    const { db, redis, keyPrefix } = system.billing;
    const queues = openQueues({ redis, keyPrefix, taskNames: [task], log: createLogger('chaos', 'silent') });
    await redis.call('FLUSHALL');
    return {
      overAt: Date.now(),
      async isRecovered() {
        const queued = await listQueuedJobs(db, { task, afterId: minId, limit: maxJobs, olderThanMs: 0 });
        return (await findUnknown(queues, queued)).length === 0;
      },
      async after() {
        await queues.close();
        await sandbox.setModelDelay(modelDelayMs);
        await until(async () => (await countQueued(world)) < queuedJobs / 10, drainLimitMs);
      },
    };
  },
};

/** Submits until 1,000 jobs are queued behind a slow model. */
async function buildUp(world: World, random: Random): Promise<void> {
  let number = 0;
  let isEnough = false;
  const submitting = Array.from({ length: atATime }, async () => {
    while (!isEnough && number < maxJobs) {
      const mark = `(backlog ${runs}, ${++number})`;
      const input = { question: `How many days do I have to return a lamp? ${mark}` };
      await submit(world, world.tenants.rich, { path: `/api/ai/${task}`, input, key: mark }, random);
    }
  });
  while (number < maxJobs && (await countQueued(world)) < queuedJobs) await sleep(100);
  isEnough = true;
  await Promise.all(submitting);
}

async function countQueued({ system }: World): Promise<number> {
  const { rows } = await system.billing.db.pool.query<{ count: number }>(
    `select count(*) from jobs where status = 'queued' and task = $1`,
    [task],
  );
  return rows[0]?.count ?? 0;
}
