/** Housekeeping on the maintenance queue: work that no balance depends on, since Redis may lose its schedule. */
import { deleteOldEmailLinks, deleteOldEvents, deleteOldIdempotencyKeys, expireJobs } from '@tally/db';
import { maintenanceQueue, queuePrefix } from '@tally/queue';
import { type ConnectionOptions, Worker } from 'bullmq';
import { queueRetryMs, type WorkerServices } from '../services.ts';
import { continueErasures, deleteExpiredConversations, inPages, retentionJob } from './forget.ts';
import { refreshTokens } from './refresh-tokens.ts';

type HousekeepingJob = { name: string; everyMs: number; run: (services: WorkerServices) => Promise<unknown> };

const page = 500;
// Each token is a request to Meta.
const tokenPage = 50;

const housekeeping: readonly HousekeepingJob[] = [
  { name: 'refresh Instagram tokens', everyMs: 60_000, run: (services) => refreshTokens(services, tokenPage) },
  {
    name: 'forget idempotency keys',
    everyMs: 60_000,
    run: ({ db }) => inPages(() => deleteOldIdempotencyKeys(db, page)),
  },
  { name: 'forget e-mail links', everyMs: 60_000, run: ({ db }) => inPages(() => deleteOldEmailLinks(db, page)) },
  { name: 'forget jobs', everyMs: 60_000, run: retentionJob('jobs', (days) => days.jobsDays, expireJobs) },
  { name: 'forget events', everyMs: 60_000, run: retentionJob('events', (days) => days.eventsDays, deleteOldEvents) },
  {
    name: 'forget conversations',
    everyMs: 60_000,
    run: retentionJob('conversations', (days) => days.conversationsDays, deleteExpiredConversations),
  },
  { name: 'finish erasures', everyMs: 60_000, run: continueErasures },
];

/** Registers the schedules. Runs repeatedly, since Redis may have lost them. */
export async function scheduleHousekeeping({ queues }: WorkerServices): Promise<void> {
  for (const { name, everyMs } of housekeeping)
    await queues.maintenance.upsertJobScheduler(
      name,
      { every: everyMs },
      { name, data: {}, opts: { removeOnComplete: { count: 100 }, removeOnFail: { count: 100 } } },
    );
}

/** Runs housekeeping jobs from the queue, one at a time. */
export function createHousekeepingWorker(services: WorkerServices, connection: ConnectionOptions): Worker {
  const worker = new Worker(
    maintenanceQueue,
    async ({ name }) => {
      await housekeeping.find((one) => one.name === name)?.run(services);
    },
    {
      connection,
      prefix: queuePrefix(services.keyPrefix),
      concurrency: 1,
      runRetryDelay: queueRetryMs,
      autorun: false,
    },
  );
  worker.on('error', services.onRedisError);
  worker.on('failed', (job, err) => services.log.warn({ err, housekeeping: job?.name }, 'housekeeping failed'));
  return worker;
}
