/** The BullMQ queues, one per task. They carry ids only; Postgres is authoritative. */
import { type Logger, type RedisClient, TallyError, warnOfRedis } from '@tally/core';
import type { Dispatch } from '@tally/db';
import { Queue } from 'bullmq';
import { assignPriorities } from './priorities.ts';

/** All job data in Redis; input and result stay in Postgres. */
export type JobData = { account_id: string };

export type Queues = {
  byTask: ReadonlyMap<string, Queue<JobData>>;
  /** Maintenance that never touches balances; on a queue so that operators see its runs and failures. */
  maintenance: Queue<Record<string, never>>;
  /** For our own commands on and beside BullMQ's keys. */
  redis: RedisClient;
  /** BullMQ's key prefix, hash-tagged for a cluster. */
  prefix: string;
  log: Logger;
  /** Dispatches that could not be enqueued and are retried: see enqueue-soon.ts. */
  missed: Dispatch[];
  close(): Promise<void>;
};

/** Reserved: no task may have this name. */
export const maintenanceQueue = 'maintenance';

/** BullMQ's key prefix for an installation; the hash tag keeps a queue's keys on one node of a cluster. */
export const queuePrefix = (keyPrefix: string): string => `{${keyPrefix}}`;

/** Opens the named queues over one connection, which the caller owns and closes. */
export function openQueues(options: {
  redis: RedisClient;
  keyPrefix: string;
  taskNames: string[];
  log: Logger;
}): Queues {
  const prefix = queuePrefix(options.keyPrefix);
  const onError = warnOfRedis(options.log);
  const open = <Data>(name: string) => {
    const queue = new Queue<Data>(name, {
      connection: options.redis,
      prefix,
      skipWaitingForReady: true,
      defaultJobOptions: {
        removeOnComplete: { age: 3_600, count: 1_000 },
        removeOnFail: { age: 14 * 86_400, count: 10_000 },
      },
    });
    queue.on('error', onError);
    return queue;
  };
  const byTask = new Map(options.taskNames.map((name) => [name, open<JobData>(name)] as const));
  const maintenance = open<Record<string, never>>(maintenanceQueue);
  const missed: Dispatch[] = [];
  return {
    byTask,
    maintenance,
    redis: options.redis,
    prefix,
    log: options.log,
    missed,
    close: async () => {
      missed.length = 0;
      await Promise.all([...byTask.values(), maintenance].map((queue) => queue.close()));
    },
  };
}

/** The queue of a task. @throws TallyError `internal` for an unknown task */
export function queueOf(queues: Queues, task: string): Queue<JobData> {
  const queue = queues.byTask.get(task);
  if (queue === undefined) throw new TallyError('internal', `no queue for task ${task}`);
  return queue;
}

/** BullMQ silently ignores an id that it knows, even of an ended job, so every dispatch of a row has its own id. */
export const toQueueId = (jobId: string, dispatch: number): string => `${jobId}_${dispatch}`;

/** The job id and dispatch number in a BullMQ id; undefined for a foreign id. */
export function fromQueueId(queueId: string): { jobId: string; dispatch: number } | undefined {
  const [, jobId, dispatch] = /^([0-9a-f-]{36})_(\d{1,9})$/.exec(queueId) ?? [];
  return jobId === undefined ? undefined : { jobId, dispatch: Number(dispatch) };
}

/** Enqueues dispatches; one already in its queue is left unchanged. @throws Redis errors while Redis is unavailable */
export async function enqueue(queues: Queues, dispatches: Dispatch[]): Promise<void> {
  const byTask = Map.groupBy(dispatches, (dispatch) => dispatch.task);
  for (const [task, ofTask] of byTask) {
    const queue = queueOf(queues, task);
    const priorities = await assignPriorities(
      queues,
      task,
      ofTask.map(({ accountId }) => accountId),
    );
    await queue.addBulk(
      ofTask.map((dispatch, i) => ({
        name: task,
        data: { account_id: dispatch.accountId },
        opts: {
          jobId: toQueueId(dispatch.jobId, dispatch.dispatch),
          delay: dispatch.delayMs,
          priority: priorities[i] as number,
        },
      })),
    );
  }
}

/** Those of the dispatches that are missing from Redis, or finished there. */
export async function findUnknown(queues: Queues, dispatches: Dispatch[]): Promise<Dispatch[]> {
  const known = await Promise.all(
    dispatches.map(async (d) => {
      const key = `${queues.prefix}:${d.task}:${toQueueId(d.jobId, d.dispatch)}`;
      const [addedAt, finishedAt] = await queues.redis.hmget(key, 'timestamp', 'finishedOn');
      return addedAt !== null && finishedAt === null;
    }),
  );
  return dispatches.filter((_, i) => !known[i]);
}
