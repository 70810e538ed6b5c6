/** Starts a worker from its settings: connections, one BullMQ worker per task, lease renewal, maintenance. */
import { createBilling } from '@tally/billing';
import {
  connectRedis,
  group,
  groupByKey,
  type Logger,
  newId,
  redisReady,
  sealKeysOf,
  type WorkerConfig,
  warnOfRedis,
} from '@tally/core';
import {
  type ClaimRequest,
  claimJobs,
  connectDatabase,
  isUnavailable,
  type PassageQuery,
  readCurrentPrompts,
  searchPassages,
} from '@tally/db';
import { beat, listenForCancel, listenForProvider, openQueues, queuePrefix, stopBeating } from '@tally/queue';
import { type AnyTask, tasks as allTasks } from '@tally/tasks';
import { Worker } from 'bullmq';
import { LRUCache } from 'lru-cache';
import { createExtractionPool } from './extraction-pool/pool.ts';
import { createGraphClient } from './instagram/graph-client.ts';
import { createSendRates } from './instagram/send-rates.ts';
import { keepLeases } from './jobs/leases.ts';
import { createProcessor, drained } from './jobs/process-job.ts';
import { Cancelled, ShuttingDown } from './jobs/stops.ts';
import { untilReachable } from './jobs/until-reachable.ts';
import { createHousekeepingWorker } from './maintenance/housekeeping.ts';
import { startMaintenance } from './maintenance/loops.ts';
import { createModelClient } from './model/client.ts';
import { createProviderGate } from './model/gate.ts';
import { createTraits } from './model/traits.ts';
import { maxPagesOfOneAccount } from './pages/limits.ts';
import { createPageReaders } from './pages/page-readers.ts';
import type { Network } from './pages/proxy/dial.ts';
import { createShares } from './pages/slots.ts';
import { drainMs, queueRetryMs, refusedAccountTtlMs, type WorkerServices } from './services.ts';

const redisStartMs = 1_000;
const traitsSyncMs = 30_000;

export type RunningWorker = { services: WorkerServices; close(): Promise<void> };

/**
 * Starts consuming jobs; resolves once every queue is consumed. `tasks` defaults to the registry, `network` is the
 * network over which pages are opened.
 */
export async function startWorker(
  config: WorkerConfig,
  log: Logger,
  options: { tasks?: readonly AnyTask[]; fetch?: typeof fetch; network?: Partial<Network> } = {},
): Promise<RunningWorker> {
  const tasks = options.tasks ?? allTasks;
  const onRedisError = warnOfRedis(log);
  const db = connectDatabase({ url: config.databaseUrl, name: 'worker', log });
  const redis = connectRedis(config.redisUrls, 'ledger', onRedisError);
  const consumer = connectRedis(config.redisUrls, 'consumer', onRedisError);
  const subscriber = connectRedis(config.redisUrls, 'subscriber', onRedisError);
  // BullMQ reads the server's version at once. Wait first, so that a connection in progress is not logged as an outage.
  await redisReady(redis, redisStartMs).catch(() => undefined);
  await untilReachable(() => redis.ping(), { log });
  const keyPrefix = config.redisKeyPrefix;
  const { apiKey, baseUrl, model, timeoutMs, outputCap } = config.openai;
  const traits = createTraits({ db, log, baseUrl, model, outputCap });
  await untilReachable(traits.sync, { log });
  const addressPolicy = { allowedHosts: new Set(config.extraction.allowedHosts) };
  const pages = createPageReaders({
    policy: addressPolicy,
    chromiumPath: config.extraction.chromiumPath,
    log,
    ...(options.network && { network: options.network }),
  });
  const retryAlone = (error: unknown) => !isUnavailable(error);
  const services: WorkerServices = {
    db,
    redis,
    billing: createBilling({ db, redis, keyPrefix, log }),
    queues: openQueues({ redis, keyPrefix, taskNames: tasks.map((task) => task.name), log }),
    model: createModelClient({ apiKey, baseUrl, model, traits, ...(options.fetch && { fetch: options.fetch }) }),
    traits,
    gate: createProviderGate({ db, redis, keyPrefix, openai: config.openai, log }),
    keyPrefix,
    log,
    onRedisError,
    claim: group((requests: ClaimRequest[]) => claimJobs(db, requests), { retryAlone }),
    // Grouped by account: ranking a large knowledge base must not delay the questions of other accounts.
    searchPassages: groupByKey(
      ({ accountId }: PassageQuery) => accountId,
      (queries) => searchPassages(db, queries),
      { retryAlone },
    ),
    refusedAccounts: new LRUCache({ max: 10_000, ttl: refusedAccountTtlMs }),
    readPrompt: group((accountIds: string[]) => readCurrentPrompts(db, accountIds), { retryAlone }),
    pages,
    takePageShare: createShares(maxPagesOfOneAccount),
    extractionPool: createExtractionPool(log),
    addressPolicy,
    graph: createGraphClient({ baseUrl: config.instagram.graphUrl }),
    sendRates: createSendRates(redis, keyPrefix),
    sealKeys: sealKeysOf(config),
    retention: config.retention,
    running: new Map(),
  };
  // A lost message is harmless: the next lease renewal reads the cancellation from the row.
  listenForCancel(subscriber, keyPrefix, (jobId) => services.running.get(jobId)?.abort.abort(new Cancelled())).catch(
    (err) => log.warn({ err }, 'not listening for cancellations'),
  );
  listenForProvider(subscriber, keyPrefix, services.gate.invalidate).catch((err) =>
    log.warn({ err }, 'not listening for news of the provider'),
  );
  const workerId = newId();
  const workers = tasks.map((task) => {
    const worker = new Worker(task.name, createProcessor(services, task, timeoutMs), {
      connection: consumer,
      prefix: queuePrefix(keyPrefix),
      concurrency: Math.min(task.queue.concurrency ?? config.workerConcurrency, config.workerConcurrency),
      // Recover from kill -9 in seconds. Repeated crashes must not fail a job here: Postgres counts attempts.
      lockDuration: 10_000,
      stalledInterval: 5_000,
      maxStalledCount: 1_000_000,
      runRetryDelay: queueRetryMs,
      autorun: false,
    });
    worker.on('error', onRedisError);
    return worker;
  });
  const allWorkers = [...workers, createHousekeepingWorker(services, consumer)];
  await Promise.all(allWorkers.map((worker) => untilReachable(() => worker.waitUntilReady(), { log })));
  for (const worker of allWorkers) void worker.run();

  const sendHeartbeat = () => beat(redis, keyPrefix, workerId).catch((err) => log.warn({ err }, 'no heartbeat'));
  await sendHeartbeat();
  const heartbeat = setInterval(() => void sendHeartbeat(), 3_000);
  const syncTraits = () => traits.sync().catch((err) => log.warn({ err }, 'what is learnt of the model is not kept'));
  const traitsTimer = setInterval(() => void syncTraits(), traitsSyncMs);
  const stopLeases = keepLeases(services);
  const stopMaintenance = startMaintenance(services);

  async function close(): Promise<void> {
    clearInterval(heartbeat);
    clearInterval(traitsTimer);
    await stopBeating(redis, keyPrefix, workerId).catch(() => undefined);
    const closing = Promise.all(allWorkers.map((worker) => worker.close()));
    const stoppedMaintenance = stopMaintenance();
    await drained(services, drainMs);
    for (const { abort } of services.running.values()) abort.abort(new ShuttingDown());
    await closing;
    await stoppedMaintenance;
    await pages.close();
    await services.extractionPool.close();
    stopLeases();
    await syncTraits();
    await services.queues.close();
    redis.disconnect();
    consumer.disconnect();
    subscriber.disconnect();
    await db.close();
  }
  return { services, close };
}
