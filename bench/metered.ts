/** Measures metered jobs per second and CPU time, compared with a bare BullMQ worker that sends the same prompts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { searchPassages } from '@tally/db';
import { queueOf } from '@tally/queue';
import { toMessages } from '../packages/tasks/src/ask-question/prompt.ts';
import { bareQueueName } from './children/bare-queue.ts';
import type { BarePrompt } from './children/bare-worker.ts';
import { cpuMsOf, cpuMsOfFamily } from './cpu.ts';
import { type Installation, questions, submitMany } from './installation.ts';
import { type Child, startChild } from './process.ts';
import { alternate, type Comparison, say } from './rounds.ts';
import type { World } from './world.ts';

/** CPU milliseconds are per job; the total is worker, Postgres and Redis. */
export type MeteredFigures = { jobsPerSecond: number; workerCpuMs: number; totalCpuMs: number };
export type Metered = Record<'instant' | 'slow', Comparison<keyof MeteredFigures>>;

type Queue = ReturnType<typeof queueOf>;
/** One side of the comparison: a worker process, its queue, and a function that fills it. */
export type MeteredSide = { worker: Child; queue: Queue; fill: (count: number) => Promise<void> };

export const slowModelMs = 200;
const passagesShown = 4;
// After a restart connections are new and statements are not prepared.
const warmUpJobs = 100;

export async function measureMetered(
  world: World,
  installation: Installation,
  size: { rounds: number; coldJobs: number; instantJobs: number; slowJobs: number },
): Promise<Metered> {
  const sides = await startSides(world, installation);
  say(`warming up both workers with ${size.coldJobs} jobs`);
  await run(world, sides.tally, [size.coldJobs]);
  await run(world, sides.bare, [size.coldJobs]);
  const compare = (what: string, jobs: number) =>
    alternate(what, size.rounds, {
      tally: () => run(world, sides.tally, [warmUpJobs, jobs]),
      bare: () => run(world, sides.bare, [warmUpJobs, jobs]),
    });
  const instant = await compare('jobs, instant model', size.instantJobs);
  await world.setModelDelay(slowModelMs);
  const slow = await compare(`jobs, ${slowModelMs} ms model`, size.slowJobs);
  await world.setModelDelay(0);
  await Promise.all([sides.tally.worker.stop(), sides.bare.worker.stop()]);
  return { instant, slow };
}

/** Starts both worker processes, idle. */
export async function startSides(
  world: World,
  installation: Installation,
  nodeOptions: string[] = [],
): Promise<{ tally: MeteredSide; bare: MeteredSide }> {
  const { env, queues, bareQueue, task } = installation;
  const start = (script: string) => startChild(script, { env, folder: world.folder, nodeOptions });
  const [tally, bare, prompts] = await Promise.all([
    start('bench/children/tally-worker.ts'),
    start('bench/children/bare-worker.ts'),
    preparePrompts(installation),
  ]);
  await bare.call('learn', prompts);
  let sent = 0;
  const fillBare = async (count: number) => {
    const jobs = Array.from({ length: count }, () => ({
      name: bareQueueName,
      data: { prompt: sent++ % prompts.length },
    }));
    await bareQueue.addBulk(jobs as never);
  };
  return {
    tally: { worker: tally, queue: queueOf(queues, task.name), fill: (count) => submitMany(installation, count) },
    bare: { worker: bare, queue: bareQueue, fill: fillBare },
  };
}

/** The prompts that Tally sends for its jobs, in the same order. */
async function preparePrompts({ db, accounts, task }: Installation): Promise<BarePrompt[]> {
  const prompts: BarePrompt[] = [];
  for (const question of questions)
    for (const { accountId } of accounts) {
      const [passages = []] = await searchPassages(db, [{ accountId, question, limit: passagesShown }]);
      prompts.push({
        accountId,
        messages: toMessages(question, passages, undefined),
        maxOutputTokens: task.outputTokens.max,
      });
    }
  return prompts;
}

/** Starts a side's worker, runs batches of jobs, and returns the last one's figures. The queue is filled beforehand. */
export async function run(world: World, side: MeteredSide, batches: number[]): Promise<MeteredFigures> {
  await side.worker.call('work');
  let figures: MeteredFigures | undefined;
  for (const jobs of batches) {
    await side.queue.pause();
    await side.fill(jobs);
    const before = await world.readBook();
    const [workerMs, serversMs] = [await side.worker.cpuMs(), serverCpuMs(world)];
    const startedAt = performance.now();
    await side.queue.resume();
    await emptied(side.queue);
    const seconds = (performance.now() - startedAt) / 1_000;
    const workerCpuMs = ((await side.worker.cpuMs()) - workerMs) / jobs;
    const totalCpuMs = workerCpuMs + (serverCpuMs(world) - serversMs) / jobs;
    const calls = (await world.readBook()).answered - before.answered;
    if (calls !== jobs) throw new Error(`${jobs} jobs made ${calls} calls to the model: nothing was measured`);
    figures = { jobsPerSecond: jobs / seconds, workerCpuMs, totalCpuMs };
  }
  await side.worker.call('rest');
  if (figures === undefined) throw new RangeError('no batches');
  return figures;
}

/** NaN without /proc. */
const serverCpuMs = ({ postgres, redis }: World): number =>
  (cpuMsOfFamily(postgres.pid) ?? Number.NaN) + (cpuMsOf(redis.pid) ?? Number.NaN);

const pollEveryMs = 10;

async function emptied(queue: Queue): Promise<void> {
  for (;;) {
    const counts = await queue.getJobCounts('wait', 'prioritized', 'active', 'delayed', 'failed');
    if (counts.failed) throw new Error(`${counts.failed} jobs failed: nothing was measured`);
    if (Object.values(counts).every((count) => count === 0)) return;
    await sleep(pollEveryMs);
  }
}
