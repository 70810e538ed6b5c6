/** Lets requests wait for changes of a job: Redis notifies, and one shared Postgres query per second backs it up. */
import { connectRedis, type Logger, warnOfRedis } from '@tally/core';
import { type Database, isEnded, type JobState, type JobStatus, readJobStates } from '@tally/db';
import { listenForChanges } from '@tally/queue';
import { tagOf } from './tag.ts';

export type JobChanges = {
  /** Resolves when the job has ended or is deleted, or when the wait is over. */
  waitForEnd(jobId: string, wait: Wait): Promise<void>;
  /** The job's state once its tag differs from `tag`; `unchanged` where the wait ends first. */
  waitForChange(jobId: string, tag: string, wait: Wait): Promise<JobState | 'unchanged' | 'gone'>;
  /** For shutdown: ends every wait now, and every later one at once. */
  endWaits(): void;
  close(): void;
};

/** A wait ends after `limitMs`, or when its signal aborts. */
type Wait = { limitMs: number; signal: AbortSignal };

type Listener = {
  /** The status that Redis announced; the row may be newer. */
  onAnnounced(status: JobStatus): void;
  /** The state in Postgres, read at once and then every second; undefined where the job is deleted. */
  onState(state: JobState | undefined): void;
};

// Redis may lose an announcement; the recheck finds the change.
const recheckEveryMs = 1_000;
const jobsAtOnce = 500;

/** Listens for changes on a connection of its own. */
export function createJobChanges(options: {
  db: Database;
  redisUrls: string[];
  keyPrefix: string;
  log: Logger;
}): JobChanges {
  const { db, log } = options;
  const listeners = new Map<string, Set<Listener>>();
  const redis = connectRedis(options.redisUrls, 'subscriber', warnOfRedis(log));
  listenForChanges(redis, options.keyPrefix, ({ jobId, status }) => {
    for (const listener of listeners.get(jobId) ?? []) listener.onAnnounced(status);
  }).catch((err) => log.warn({ err }, 'not listening for changes'));

  const requested = new Set<string>();
  let isReading = false;
  async function readRequested(): Promise<void> {
    if (isReading) return;
    isReading = true;
    // One microtask later, so that jobs requested in the same tick are read together.
    await null;
    while (requested.size > 0) {
      const jobIds = [...requested].slice(0, jobsAtOnce);
      // Taken before the query: a listener added later may have seen a newer row than the query returns.
      const listening = jobIds.map((jobId) => [jobId, [...(listeners.get(jobId) ?? [])]] as const);
      for (const jobId of jobIds) requested.delete(jobId);
      const states = await readJobStates(db, jobIds).catch(() => undefined);
      // While Postgres is unavailable no listener is called; the next recheck asks again.
      for (const [jobId, current] of states === undefined ? [] : listening)
        for (const listener of current) listener.onState(states?.get(jobId));
    }
    isReading = false;
  }
  const ask = (...jobIds: string[]) => {
    for (const jobId of jobIds) requested.add(jobId);
    void readRequested();
  };
  const waits = new Set<() => void>();
  let isEnding = false;
  const recheck = setInterval(() => ask(...listeners.keys()), recheckEveryMs);

  /** Resolves with the value that the listener passes to `done`, or with `otherwise` once the wait is over. */
  function wait<T>(
    jobId: string,
    { limitMs, signal }: Wait,
    otherwise: T,
    listen: (done: (value: T) => void) => Listener,
  ): Promise<T> {
    return new Promise((resolve) => {
      // An aborted signal emits no further event.
      if (signal.aborted || isEnding) return resolve(otherwise);
      const done = (value: T) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
        waits.delete(giveUp);
        const others = listeners.get(jobId);
        others?.delete(listener);
        if (others?.size === 0) listeners.delete(jobId);
        resolve(value);
      };
      const giveUp = () => done(otherwise);
      const timer = setTimeout(giveUp, limitMs);
      signal.addEventListener('abort', giveUp);
      waits.add(giveUp);
      const listener = listen(done);
      if (!listeners.has(jobId)) listeners.set(jobId, new Set());
      listeners.get(jobId)?.add(listener);
      // The change may have happened before this listener was added.
      ask(jobId);
    });
  }

  return {
    waitForEnd: (jobId, limits) =>
      wait<void>(jobId, limits, undefined, (done) => ({
        onAnnounced: (status) => isEnded(status) && done(),
        onState: (state) => (state === undefined || isEnded(state.status)) && done(),
      })),
    waitForChange: (jobId, tag, limits) =>
      wait<JobState | 'unchanged' | 'gone'>(jobId, limits, 'unchanged', (done) => ({
        onAnnounced: () => ask(jobId),
        onState: (state) => {
          if (state === undefined) done('gone');
          else if (tagOf(state) !== tag) done(state);
        },
      })),
    endWaits: () => {
      isEnding = true;
      for (const giveUp of waits) giveUp();
    },
    close: () => {
      clearInterval(recheck);
      redis.disconnect();
    },
  };
}
