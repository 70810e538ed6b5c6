/** Lets requests wait for what becomes of a job without asking Postgres over and over. */
import { connectRedis, type Logger, warnOfRedis } from '@tally/core';
import { type Database, isEnded, type JobState, type JobStatus, readJobStates } from '@tally/db';
import { listenForChanges } from '@tally/queue';
import { tagOf } from './tag.ts';

export type JobChanges = {
  /** Resolves when the job has ended or is gone, or else with the wait. */
  waitForEnd(jobId: string, wait: Wait): Promise<void>;
  /** The job's state as soon as its tag is not `tag` any more; `unchanged` where the wait is over before. */
  waitForChange(jobId: string, tag: string, wait: Wait): Promise<JobState | 'unchanged' | 'gone'>;
  /** From now on every wait is over at once: the process is about to end. */
  endWaits(): void;
  close(): void;
};

/** A wait is over after `limitMs`, and when its signal aborts. */
type Wait = { limitMs: number; signal: AbortSignal };

type Listener = {
  /** What Redis says; the row may be further already. */
  onNews(status: JobStatus): void;
  /** What Postgres says, now and at least once a second; undefined: there is no such job any more. */
  onState(state: JobState | undefined): void;
};

// News travels by Redis and may be lost there; this finds what was missed.
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
    for (const listener of listeners.get(jobId) ?? []) listener.onNews(status);
  }).catch((err) => log.warn({ err }, 'not listening for changes'));

  const asked = new Set<string>();
  let isReading = false;
  async function readAsked(): Promise<void> {
    if (isReading) return;
    isReading = true;
    // One turn of the microtask queue: what the same event asks for is read together.
    await null;
    while (asked.size > 0) {
      const jobIds = [...asked].slice(0, jobsAtOnce);
      // Who listens only from now on has seen a newer row than this statement may.
      const present = jobIds.map((jobId) => [jobId, [...(listeners.get(jobId) ?? [])]] as const);
      for (const jobId of jobIds) asked.delete(jobId);
      const states = await readJobStates(db, jobIds).catch(() => undefined);
      // Where Postgres is away nobody hears anything: the next recheck asks again.
      for (const [jobId, those] of states === undefined ? [] : present)
        for (const listener of those) listener.onState(states?.get(jobId));
    }
    isReading = false;
  }
  const ask = (...jobIds: string[]) => {
    for (const jobId of jobIds) asked.add(jobId);
    void readAsked();
  };
  const waits = new Set<() => void>();
  let isEnding = false;
  const recheck = setInterval(() => ask(...listeners.keys()), recheckEveryMs);

  /** Resolves with what `listen` says, or with `otherwise` once the wait is over. */
  function wait<T>(
    jobId: string,
    { limitMs, signal }: Wait,
    otherwise: T,
    listen: (done: (value: T) => void) => Listener,
  ): Promise<T> {
    return new Promise((resolve) => {
      // One that has aborted already says so no more.
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
      // It may have happened before anybody listened.
      ask(jobId);
    });
  }

  return {
    waitForEnd: (jobId, limits) =>
      wait<void>(jobId, limits, undefined, (done) => ({
        onNews: (status) => isEnded(status) && done(),
        onState: (state) => (state === undefined || isEnded(state.status)) && done(),
      })),
    waitForChange: (jobId, tag, limits) =>
      wait<JobState | 'unchanged' | 'gone'>(jobId, limits, 'unchanged', (done) => ({
        onNews: () => ask(jobId),
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
