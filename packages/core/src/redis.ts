/** Connections to Redis, by what they are for. */
import { Cluster, Redis, type RedisOptions } from 'ioredis';

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
 * Opens a connection that reconnects within half a second for as long as it takes (BullMQ's own back-off reaches 20 s).
 * More than one URL means a Redis Cluster.
 */
export function connectRedis(
  urls: string[],
  purpose: keyof typeof purposes,
  onError: (error: Error) => void,
): RedisClient {
  const backOffMs = (attempt: number) => Math.min(50 * attempt, 500);
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

/** Whether an error means that Redis can't be reached, is loading, frozen or full: what was asked may have been done. */
export function isRedisOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN)/.test(code)) return true;
  return /max retries per request|Command timed out|Connection is closed|enableOfflineQueue|^(LOADING|OOM|MISCONF|READONLY|CLUSTERDOWN|MASTERDOWN|BUSY|UNBLOCKED)\b|OOM command/i.test(
    error.message,
  );
}
