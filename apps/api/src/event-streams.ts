/** The streams of events that are open at this process: how many there may be, and when they end. */
import type { ServerResponse } from 'node:http';
import { TallyError } from '@tally/core';

export type EventStreams = {
  limits: StreamLimits;
  /**
   * Counts one more until `connection` has closed; the signal says when it has to end, or has.
   * @throws TallyError `rate_limited` where the account has too many, `unavailable` where the process has
   */
  open(accountId: string, connection: Connection): AbortSignal;
  /** How many are open. */
  count(): number;
  /** Ends all of them, and admits no more. */
  close(): void;
};

export type StreamLimits = {
  maxStreams: number;
  maxStreamsPerAccount: number;
  /** The longest silence in a stream. */
  heartbeatMs: number;
  /** The longest life of a stream. */
  lifetimeMs: number;
};

type Connection = Pick<ServerResponse, 'destroy' | 'destroyed' | 'once'>;

const retryAfterMs = 5_000;
// For a stream that has to end to reach its client; one that doesn't read would keep it, and its memory, for ever.
const farewellMs = 3_000;

/** Keeps count of the streams of one process. */
export function createEventStreams(limits: StreamLimits): EventStreams {
  const byAccount = new Map<string, Set<AbortController>>();
  let count = 0;
  let isClosed = false;
  return {
    limits,
    open: (accountId, connection) => {
      const own = byAccount.get(accountId) ?? new Set();
      if (own.size >= limits.maxStreamsPerAccount)
        throw new TallyError('rate_limited', 'Too many event streams are open, close one first', { retryAfterMs });
      if (isClosed || count >= limits.maxStreams)
        throw new TallyError('unavailable', 'There is no room for another event stream now', { retryAfterMs });
      const end = new AbortController();
      // Those that began together, after a restart, shall not all come back together.
      let timer = setTimeout(() => end.abort(), limits.lifetimeMs * (0.9 + Math.random() / 10));
      end.signal.addEventListener('abort', () => {
        clearTimeout(timer);
        if (!connection.destroyed) timer = setTimeout(() => connection.destroy(), farewellMs);
      });
      byAccount.set(accountId, own.add(end));
      count++;
      const free = () => {
        own.delete(end);
        if (own.size === 0) byAccount.delete(accountId);
        count--;
        end.abort();
        clearTimeout(timer);
      };
      // One that has closed already doesn't say so again.
      if (connection.destroyed) free();
      else connection.once('close', free);
      return end.signal;
    },
    count: () => count,
    close: () => {
      isClosed = true;
      for (const own of byAccount.values()) for (const end of own) end.abort();
    },
  };
}
