/** Tests the order of jobs on a real BullMQ queue, with a worker that takes one job at a time. */
import { connectRedis, newId, redisReady } from '@tally/core';
import { testLog } from '@tally/testing/vitest';
import { type Job, Worker } from 'bullmq';
import fc from 'fast-check';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { assignPriorities, enqueue, openQueues, queueOf, returningFlow } from '../src/index.ts';

const task = 'a-task';

/** A new queue: `add` enqueues one job per account given, `take` returns the accounts of the next `count` jobs. */
async function newQueue() {
  const redis = connectRedis([inject('redisUrl')], 'producer', () => undefined);
  const consumer = connectRedis([inject('redisUrl')], 'consumer', () => undefined);
  await redisReady(redis, 5_000);
  const queues = openQueues({ redis, keyPrefix: `t${newId()}`, taskNames: [task], log: testLog });
  const worker = new Worker(task, null, { connection: consumer, prefix: queues.prefix });
  onTestFinished(async () => {
    await worker.close();
    await queues.close();
    redis.disconnect();
    consumer.disconnect();
  });
  const next = async () => {
    const job = await worker.getNextJob('token', { block: false });
    await job?.moveToCompleted(undefined, 'token', false);
    return job as { id: string; data: { account_id: string } } | undefined;
  };
  return {
    queues,
    worker,
    add: (...accounts: string[]) =>
      enqueue(
        queues,
        accounts.map((accountId) => ({ jobId: newId(), accountId, task, dispatch: 1, delayMs: 0 })),
      ),
    next,
    take: async (count: number) => {
      const taken: (string | undefined)[] = [];
      for (let i = 0; i < count; i++) taken.push((await next())?.data.account_id);
      return taken;
    },
  };
}

const times = (count: number, account: string): string[] => Array.from({ length: count }, () => account);

describe('priorities', () => {
  it('serves a new account second, however long another backlog', async () => {
    const { add, take } = await newQueue();
    await add(...times(2_000, 'heavy'));
    expect(await take(5)).toEqual(times(5, 'heavy'));
    await add('newcomer');
    expect(await take(3)).toEqual(['heavy', 'newcomer', 'heavy']);
  });

  it('gives two backlogs equal shares, whichever was first', async () => {
    const { add, take } = await newQueue();
    await add(...times(100, 'early'));
    await take(10);
    await add(...times(50, 'late'));
    const served = await take(40);
    expect(served.filter((account) => account === 'early')).toHaveLength(20);
  });

  it('keeps one account’s order, also for jobs added meanwhile', async () => {
    const { queues, next } = await newQueue();
    const jobIds = Array.from({ length: 60 }, newId);
    const put = (part: string[]) =>
      enqueue(
        queues,
        part.map((jobId) => ({ jobId, accountId: 'a', task, dispatch: 1, delayMs: 0 })),
      );
    const order: string[] = [];
    const take = async (count: number) => {
      for (let i = 0; i < count; i++) order.push((await next())?.id ?? '');
    };
    await put(jobIds.slice(0, 40));
    await take(30);
    await put(jobIds.slice(40));
    await take(30);
    expect(order).toEqual(jobIds.map((jobId) => `${jobId}_1`));
  });

  it('does not starve a backlog under a stream of new accounts', async () => {
    const { queues, add, take } = await newQueue();
    await add(...times(3, 'old'));
    const [first] = await queueOf(queues, task).getPrioritized();
    // A new account for every job served: without the limit the clock would not advance.
    await add(...Array.from({ length: 20 }, (_, i) => `early ${i}`));
    for (const job of await queueOf(queues, task).getPrioritized())
      await queues.redis.hset(`${queues.prefix}:${task}:${job.id}`, 'timestamp', Number(first?.timestamp) - 60_000);
    const served: (string | undefined)[] = [];
    for (let i = 0; i < 60; i++) {
      await add(`late ${i}`);
      served.push(...(await take(1)));
    }
    expect(served.filter((account) => account === 'old')).toHaveLength(3);
  });

  it('gives snoozed attempts their own flow; restarts when empty', async () => {
    const { queues, add, take } = await newQueue();
    await add(...times(50, 'a'));
    expect(await assignPriorities(queues, task, times(3, returningFlow('a')))).toEqual([1, 2, 3]);
    await take(50);
    expect(await assignPriorities(queues, task, ['a', 'b', 'a'])).toEqual([1, 1, 2]);
  });

  it('lets no new job overtake a delayed attempt on an empty queue', async () => {
    const { queues, add, take, worker } = await newQueue();
    await add(...times(50, 'a'));
    await take(49);
    const job = (await worker.getNextJob('token', { block: false })) as Job;
    const [again = 0] = await assignPriorities(queues, task, [returningFlow('a')]);
    await job.changePriority({ priority: again });
    await job.moveToDelayed(Date.now() + 60_000, 'token');
    expect((await assignPriorities(queues, task, ['b']))[0]).toBeGreaterThanOrEqual(again);
  });

  it('does not turn its clock back for old priorities', async () => {
    const { queues, add, take } = await newQueue();
    await add(...times(200, 'a'), ...times(200, 'b'));
    await take(200);
    await add('other');
    // As if another account's attempts, snoozed long ago, came back now.
    await queueOf(queues, task).addBulk(
      times(20, 'c').map((account_id) => ({ name: task, data: { account_id }, opts: { jobId: newId(), priority: 2 } })),
    );
    await add(...times(100, 'd'));
    const served = await take(20 + 31);
    expect(served.filter((account) => account === 'd').length).toBeLessThanOrEqual(11);
  });
});

describe('priorities under random load', () => {
  it('let no account pass a waiting one more than twice', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const moves = fc.array(
      fc.oneof(
        fc.record({ account: fc.constantFrom(...names), count: fc.integer({ min: 1, max: 12 }) }),
        fc.record({ served: fc.integer({ min: 1, max: 8 }) }),
      ),
      { minLength: 5, maxLength: 30 },
    );
    await fc.assert(
      fc.asyncProperty(moves, async (script) => {
        const { add, take } = await newQueue();
        const waiting = new Map<string, number>();
        // How often one account was served since the other began to wait.
        const passed = new Map<string, number>();
        for (const move of script) {
          if ('account' in move) {
            if (!waiting.get(move.account)) for (const name of names) passed.delete(`${name} passed ${move.account}`);
            await add(...times(move.count, move.account));
            waiting.set(move.account, (waiting.get(move.account) ?? 0) + move.count);
            continue;
          }
          for (const account of await take(move.served)) {
            if (account === undefined) continue;
            waiting.set(account, (waiting.get(account) ?? 0) - 1);
            for (const name of names) {
              passed.delete(`${name} passed ${account}`);
              if (name === account || !waiting.get(name)) continue;
              const times = (passed.get(`${account} passed ${name}`) ?? 0) + 1;
              passed.set(`${account} passed ${name}`, times);
              expect(times, `${account} passed ${name}`).toBeLessThanOrEqual(2);
            }
          }
        }
      }),
      { numRuns: 15 },
    );
  });
});
