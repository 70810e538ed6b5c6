/** Opens connections to Redis, with options per purpose, and classifies Redis errors. */
import { Cluster, Redis, type RedisOptions, ReplyError } from 'ioredis';
import type { Logger } from '../logger.ts';

export type RedisClient = Redis | Cluster;

const purposes = {
  /** The ledger's scripts. They fail fast, because a late decision about tokens would use outdated state. */
  ledger: { enableOfflineQueue: false, maxRetriesPerRequest: 0, commandTimeout: 3_000, enableAutoPipelining: true },
  /** Adding jobs. A frozen Redis is an error after 3 s (BullMQ's `add` would hang); the row is dispatched later. */
  producer: { enableOfflineQueue: false, maxRetriesPerRequest: 0, commandTimeout: 3_000, enableAutoPipelining: true },
  /** BullMQ's workers block on the connection and wait for Redis to come back; the library requires null. */
  consumer: { maxRetriesPerRequest: null },
  /** Channel subscriptions. */
  subscriber: { maxRetriesPerRequest: null, autoResubscribe: true },
} satisfies Record<string, RedisOptions>;

/**
 * Opens a connection that retries at least every 200 ms without end (BullMQ's own back-off reaches 20 s).
 * More than one URL means a Redis Cluster.
 */
export function connectRedis(
  urls: string[],
  purpose: keyof typeof purposes,
  onError: (error: Error) => void,
): RedisClient {
  const backoffMs = (attempt: number) => Math.min(50 * attempt, 200);
  const options = { connectTimeout: 3_000, ...purposes[purpose] };
  const first = urls[0];
  if (first === undefined) throw new Error('no Redis address given');
  const client =
    urls.length === 1
      ? new Redis(first, { ...options, retryStrategy: backoffMs })
      : new Cluster(urls, {
          redisOptions: { ...options, password: decodeURIComponent(new URL(first).password) },
          enableAutoPipelining: purpose === 'ledger' || purpose === 'producer',
          clusterRetryStrategy: backoffMs,
        });
  client.on('error', onError);
  return client;
}

/** Resolves once the connection accepts commands; throws after `limitMs`. */
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

// Errors in a command or script of ours; repeating it fails again.
const commandFaults = /^(?:ERR|WRONGTYPE|CROSSSLOT)\b/;
// Server conditions without an error code of their own: client limit, missing permission, moved slot.
const serverFaults =
  /^ERR (?:max number of clients|The user executing the script can't|Script attempted to access a non local key)/;
const clientMessages =
  /max retries per request|Command timed out|Connection is closed|enableOfflineQueue|Failed to refresh slots cache|startup nodes/i;

/**
 * Whether an error means that Redis is unavailable: unreachable, or refusing for a reason that is not known to be the
 * command's own fault. The command may have been executed all the same.
 */
export function isRedisUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof ReplyError) return !commandFaults.test(error.message) || serverFaults.test(error.message);
  return isUnreachable(error) || clientMessages.test(error.message);
}

const repeatAfterMs = 5_000;

/**
 * Returns an error listener for Redis connections. An outage breaks dozens of them repeatedly, so it is logged once
 * every five seconds with the number of errors since. Other errors are logged each time.
 */
export function warnOfRedis(log: Logger): (err: Error) => void {
  let loggedAt = Number.NEGATIVE_INFINITY;
  let unlogged = 0;
  return (err) => {
    if (!isRedisUnavailable(err)) return log.warn({ err }, 'an error of Redis');
    unlogged++;
    if (performance.now() - loggedAt < repeatAfterMs) return;
    log.warn({ err, times: unlogged }, 'Redis can’t be reached');
    loggedAt = performance.now();
    unlogged = 0;
  };
}

// Codes of the operating system and of name resolution; file errors have other codes or another syscall.
const networkCodes = /^E(?:CONN|HOST|NET|ADDR|PIPE|TIMEDOUT|PROTO|NOTFOUND|AI_|MFILE|NFILE)/;
const tlsCodes = /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH)/;

/** Whether an error comes from the network or from TLS. The request may have been executed all the same. */
export function isUnreachable(error: unknown): boolean {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  return syscall === 'connect' || (typeof code === 'string' && (networkCodes.test(code) || tlsCodes.test(code)));
}
