/** Connections to Redis, by what they are for. */
import { Cluster, Redis, type RedisOptions, ReplyError } from 'ioredis';
import type { Logger } from './logger.ts';
import { isUnreachable } from './unreachable.ts';

export type RedisClient = Redis | Cluster;

const purposes = {
  /** The ledger's scripts: fail fast, since a decision about tokens that is taken late is taken wrongly. */
  ledger: { enableOfflineQueue: false, maxRetriesPerRequest: 0, commandTimeout: 3_000, enableAutoPipelining: true },
  /** Adding jobs: a frozen Redis is an error after 3 s (BullMQ's `add` would hang), and the row is dispatched later. */
  producer: { enableOfflineQueue: false, maxRetriesPerRequest: 0, commandTimeout: 3_000, enableAutoPipelining: true },
  /** BullMQ's workers block on the connection and wait for Redis to come back; the library insists on null. */
  consumer: { maxRetriesPerRequest: null },
  /** Listening to channels. */
  subscriber: { maxRetriesPerRequest: null, autoResubscribe: true },
} satisfies Record<string, RedisOptions>;

/**
 * Opens a connection that reconnects within a fifth of a second for as long as it takes (BullMQ's own back-off reaches 20 s).
 * More than one URL means a Redis Cluster.
 */
export function connectRedis(
  urls: string[],
  purpose: keyof typeof purposes,
  onError: (error: Error) => void,
): RedisClient {
  const backOffMs = (attempt: number) => Math.min(50 * attempt, 200);
  const options = { connectTimeout: 3_000, ...purposes[purpose] };
  const first = urls[0];
  if (first === undefined) throw new Error('no Redis address given');
  const client =
    urls.length === 1
      ? new Redis(first, { ...options, retryStrategy: backOffMs })
      : new Cluster(urls, {
          redisOptions: { ...options, password: decodeURIComponent(new URL(first).password) },
          enableAutoPipelining: purpose === 'ledger' || purpose === 'producer',
          clusterRetryStrategy: backOffMs,
        });
  client.on('error', onError);
  return client;
}

/** Resolves once the connection can take commands, or throws after `limitMs`. */
export async function redisReady(client: RedisClient, limitMs: number): Promise<void> {
  if (client.status === 'ready') return;
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`Redis did not answer within ${limitMs} ms`)), limitMs);
    client.once('ready', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

// What a command or a script of ours did wrong, and would do wrong again.
const commandFaults = /^(?:ERR|WRONGTYPE|CROSSSLOT)\b/;
// Redis has no code of their own for these: a full server, a permission that was taken away, a slot that moved.
const storeFaults =
  /^ERR (?:max number of clients|The user executing the script can't|Script attempted to access a non local key)/;
const clientMessages =
  /max retries per request|Command timed out|Connection is closed|enableOfflineQueue|Failed to refresh slots cache|startup nodes/i;

/**
 * Whether an error is Redis' trouble rather than the fault of what was asked of it: it can't be reached, or refuses for a
 * reason that is not known to be the command's own. What was asked may have been done.
 */
export function isRedisUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof ReplyError) return !commandFaults.test(error.message) || storeFaults.test(error.message);
  return isUnreachable(error) || clientMessages.test(error.message);
}

const sameAgainMs = 5_000;

/**
 * A listener for errors of connections to Redis. An outage breaks dozens of them, again and again: it is told every five
 * seconds, with how often it was not. Other errors are told each time.
 */
export function warnOfRedis(log: Logger): (err: Error) => void {
  let saidAt = Number.NEGATIVE_INFINITY;
  let unsaid = 0;
  return (err) => {
    if (!isRedisUnavailable(err)) return log.warn({ err }, 'an error of Redis');
    unsaid++;
    if (performance.now() - saidAt < sameAgainMs) return;
    log.warn({ err, times: unsaid }, 'Redis can’t be reached');
    saidAt = performance.now();
    unsaid = 0;
  };
}
