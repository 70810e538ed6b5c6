/** Registry of the event streams open at this process: limits per account and process, lifetimes, revocation. */
import type { ServerResponse } from 'node:http';
import { TallyError } from '@tally/core';

export type EventStreams = {
  limits: StreamLimits;
  /**
   * Counts a stream until `connection` closes. The signal aborts when the stream must end, also soon after `bearer` is
   * revoked. At the process limit, the account with the most streams loses its oldest one.
   * @throws TallyError `rate_limited` at the account's limit, `unavailable` where no account has more than this one
   */
  open(owner: { accountId: string; bearer: string }, connection: Connection): AbortSignal;
  /** The number of open streams. */
  count(): number;
  /** Ends all streams, and admits no more. */
  close(): void;
};

export type StreamLimits = {
  maxStreams: number;
  maxStreamsPerAccount: number;
  /** The longest silence in a stream. */
  heartbeatMs: number;
  /** The longest life of a stream. */
  lifetimeMs: number;
  /** How often the bearer values of open streams are checked again. */
  recheckMs: number;
};

type Stream = { end: AbortController; bearer: string; release: () => void };

type Connection = Pick<ServerResponse, 'destroy' | 'destroyed' | 'once'>;

const retryAfterMs = 5_000;
// For an ended stream to flush; a client that doesn't read would hold the connection and its memory for ever.
const flushMs = 3_000;

/** Builds the registry of one process; a stream stays open while `isAuthorized` throws (a store is unavailable). */
export function createEventStreams(
  limits: StreamLimits,
  isAuthorized: (bearer: string) => Promise<boolean>,
): EventStreams {
  const byAccount = new Map<string, Set<Stream>>();
  let count = 0;
  let isClosed = false;

  async function recheck(): Promise<void> {
    const byBearer = Map.groupBy(
      [...byAccount.values()].flatMap((own) => [...own]),
      ({ bearer }) => bearer,
    );
    for (const [bearer, streams] of byBearer)
      if (!(await isAuthorized(bearer).catch(() => true))) for (const { end } of streams) end.abort();
  }
  let isRechecking = false;
  const recheckTimer = setInterval(async () => {
    if (isRechecking) return;
    isRechecking = true;
    await recheck();
    isRechecking = false;
  }, limits.recheckMs);
  recheckTimer.unref();

  /** Ends the oldest stream of the account that has the most, where that has more than `own`. */
  function evictOldest(own: Set<Stream>): boolean {
    const [most] = [...byAccount.values()].sort((a, b) => b.size - a.size);
    const [oldest] = most ?? [];
    if (most === undefined || oldest === undefined || most.size <= own.size + 1) return false;
    oldest.release();
    return true;
  }

  return {
    limits,
    open: ({ accountId, bearer }, connection) => {
      const own = byAccount.get(accountId) ?? new Set<Stream>();
      if (own.size >= limits.maxStreamsPerAccount)
        throw new TallyError('rate_limited', 'Too many event streams are open, close one first', { retryAfterMs });
      if (isClosed || (count >= limits.maxStreams && !evictOldest(own)))
        throw new TallyError('unavailable', 'There is no room for another event stream now', { retryAfterMs });
      const end = new AbortController();
      // Jitter: streams opened together after a restart must not all reconnect together.
      let timer = setTimeout(() => end.abort(), limits.lifetimeMs * (0.9 + Math.random() / 10));
      end.signal.addEventListener('abort', () => {
        clearTimeout(timer);
        if (!connection.destroyed) timer = setTimeout(() => connection.destroy(), flushMs);
      });
      const release = () => {
        if (!own.delete(stream)) return;
        if (own.size === 0) byAccount.delete(accountId);
        count--;
        end.abort();
      };
      const closed = () => {
        release();
        clearTimeout(timer);
      };
      const stream: Stream = { end, bearer, release };
      byAccount.set(accountId, own.add(stream));
      count++;
      // A connection that has closed already emits no further event.
      if (connection.destroyed) closed();
      else connection.once('close', closed);
      return end.signal;
    },
    count: () => count,
    close: () => {
      isClosed = true;
      clearInterval(recheckTimer);
      for (const own of byAccount.values()) for (const { end } of own) end.abort();
    },
  };
}
