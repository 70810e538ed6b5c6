/** Whose job is next: every account gets an equal share of a queue, however long its backlog. */
import { loadScript, type RedisClient, runScript } from '@tally/core';

const script = loadScript(new URL('lua/priority.lua', import.meta.url));

/**
 * BullMQ priorities (1 to 2,097,151, the lowest first) for jobs about to be queued, in order. `flows` says whose each one
 * is: jobs of one flow keep their order, and the flows take turns. @throws what Redis throws when it is away
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
 * The flow of attempts that an account's jobs gave back. Apart from its new jobs, for these have waited once already;
 * and a flow like any other, for ten thousand that ask for tokens again and again must not hold up everybody else.
 */
export const returningFlow = (accountId: string): string => `${accountId} again`;
