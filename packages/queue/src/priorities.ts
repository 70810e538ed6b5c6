/** Assigns job priorities so that every account gets an equal share of a queue, however long its backlog. */
import { loadScript, type RedisClient, runScript } from '@tally/core';

const script = loadScript(new URL('lua/priority.lua', import.meta.url));

/**
 * BullMQ priorities (1 to 2,097,151, the lowest first) for jobs about to be queued, in order. `flows` names each job's
 * flow: jobs of one flow keep their order, and the flows alternate. @throws Redis errors while Redis is unavailable
 */
export async function assignPriorities(
  queues: { redis: RedisClient; prefix: string },
  task: string,
  flows: string[],
): Promise<number[]> {
  const queue = `${queues.prefix}:${task}`;
  const keys = [`${queue}:prioritized`, `${queue}:delayed`, `${queue}:ranks`];
  return (await runScript(queues.redis, script, keys, [Date.now(), `${queue}:`, ...flows])) as number[];
}

/**
 * The flow of an account's snoozed attempts. It is separate from the account's new jobs, because snoozed ones have
 * waited already, and fair like any other flow, so that ten thousand jobs retrying for tokens can't delay others.
 */
export const returningFlow = (accountId: string): string => `${accountId} again`;
