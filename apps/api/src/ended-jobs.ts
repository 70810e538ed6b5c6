/** Lets requests wait for the end of a job without asking Postgres over and over. */
import { connectRedis, group, type Logger } from '@tally/core';
import { type Database, findEndedJobs } from '@tally/db';
import { listenForEnded } from '@tally/queue';

export type EndedJobs = {
  /** Resolves when the job has ended, or after `limitMs`, or when the client has gone. */
  wait(jobId: string, limitMs: number, signal: AbortSignal): Promise<void>;
  close(): void;
};

// News travels by Redis and may be lost there; this finds what was missed.
const checkEveryMs = 1_000;

/** Listens for endings on a connection of its own. */
export function createEndedJobs(options: {
  db: Database;
  redisUrls: string[];
  keyPrefix: string;
  log: Logger;
}): EndedJobs {
  const waiting = new Map<string, Set<() => void>>();
  const wake = (jobId: string) => {
    for (const resolve of waiting.get(jobId) ?? []) resolve();
  };
  const redis = connectRedis(options.redisUrls, 'subscriber', (err) => options.log.warn({ err }, 'redis subscriber'));
  listenForEnded(redis, options.keyPrefix, wake).catch((err) => options.log.warn({ err }, 'not listening for endings'));
  const check = group(async (jobIds: string[]) => {
    const ended = await findEndedJobs(options.db, jobIds);
    for (const jobId of ended) wake(jobId);
    return jobIds.map(() => undefined);
  });
  const recheck = setInterval(() => {
    for (const jobId of waiting.keys()) check(jobId).catch(() => undefined);
  }, checkEveryMs);
  return {
    wait: (jobId, limitMs, signal) =>
      new Promise((resolve) => {
        // One that has gone already is not announced again.
        if (signal.aborted) return resolve();
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          const others = waiting.get(jobId);
          others?.delete(done);
          if (others?.size === 0) waiting.delete(jobId);
          resolve();
        };
        const timer = setTimeout(done, limitMs);
        signal.addEventListener('abort', done);
        if (!waiting.has(jobId)) waiting.set(jobId, new Set());
        waiting.get(jobId)?.add(done);
        // It may have ended before anybody listened.
        check(jobId).catch(() => undefined);
      }),
    close: () => {
      clearInterval(recheck);
      redis.disconnect();
    },
  };
}
