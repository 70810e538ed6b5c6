/** The streams of events that are open at this process: how many there may be, and when they end. */
import type { ServerResponse } from 'node:http';
import { TallyError } from '@tally/core';

export type EventStreams = {
  limits: StreamLimits;
  /**
   * Counts one more until `connection` has closed; the signal says when it has to end, or has: also soon after `bearer` is
   * worth nothing any more. Where the process has no room, the account with the most streams loses its oldest.
   * @throws TallyError `rate_limited` where the account has too many, `unavailable` where nobody has more
   */
  open(owner: { accountId: string; bearer: string }, connection: Connection): AbortSignal;
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
  /** How often it is looked whether those who opened the streams are still let in. */
  recheckMs: number;
};

type Stream = { end: AbortController; bearer: string; free: () => void };

type Connection = Pick<ServerResponse, 'destroy' | 'destroyed' | 'once'>;

const retryAfterMs = 5_000;
// For a stream that has to end to reach its client; one that doesn't read would keep it, and its memory, for ever.
const farewellMs = 3_000;

/** Keeps count of the streams of one process; `isLetIn` throws where that can't be said now. */
export function createEventStreams(limits: StreamLimits, isLetIn: (bearer: string) => Promise<boolean>): EventStreams {
  const byAccount = new Map<string, Set<Stream>>();
  let count = 0;
  let isClosed = false;

  async function recheck(): Promise<void> {
    const byBearer = Map.groupBy(
      [...byAccount.values()].flatMap((own) => [...own]),
      ({ bearer }) => bearer,
    );
    for (const [bearer, streams] of byBearer)
      if (!(await isLetIn(bearer).catch(() => true))) for (const { end } of streams) end.abort();
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
  function makeRoom(own: Set<Stream>): boolean {
    const [most] = [...byAccount.values()].sort((a, b) => b.size - a.size);
    const [oldest] = most ?? [];
    if (most === undefined || oldest === undefined || most.size <= own.size + 1) return false;
    oldest.free();
    return true;
  }

  return {
    limits,
    open: ({ accountId, bearer }, connection) => {
      const own = byAccount.get(accountId) ?? new Set<Stream>();
      if (own.size >= limits.maxStreamsPerAccount)
        throw new TallyError('rate_limited', 'Too many event streams are open, close one first', { retryAfterMs });
      if (isClosed || (count >= limits.maxStreams && !makeRoom(own)))
        throw new TallyError('unavailable', 'There is no room for another event stream now', { retryAfterMs });
      const end = new AbortController();
      // Those that began together, after a restart, shall not all come back together.
      let timer = setTimeout(() => end.abort(), limits.lifetimeMs * (0.9 + Math.random() / 10));
      end.signal.addEventListener('abort', () => {
        clearTimeout(timer);
        if (!connection.destroyed) timer = setTimeout(() => connection.destroy(), farewellMs);
      });
      const free = () => {
        if (!own.delete(stream)) return;
        if (own.size === 0) byAccount.delete(accountId);
        count--;
        end.abort();
      };
      const closed = () => {
        free();
        clearTimeout(timer);
      };
      const stream: Stream = { end, bearer, free };
      byAccount.set(accountId, own.add(stream));
      count++;
      // One that has closed already doesn't say so again.
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
