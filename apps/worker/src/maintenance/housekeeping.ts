/** Housekeeping on the maintenance queue: what no balance depends on, since Redis may forget when it is due. */
import { deleteOldEvents, deleteOldIdempotencyKeys, expireJobs } from '@tally/db';
import { maintenanceQueue, queuePrefix } from '@tally/queue';
import { type ConnectionOptions, Worker } from 'bullmq';
import { queueRetryMs, type WorkerServices } from '../services.ts';
import { continueErasures } from './erasures.ts';
import { forgetConversations, forgetting, inPages } from './forget.ts';
import { refreshTokens } from './refresh-tokens.ts';

type HousekeepingJob = { name: string; everyMs: number; run: (services: WorkerServices) => Promise<unknown> };

const page = 500;
// Each is a request to somebody else.
const tokenPage = 50;

const housekeeping: readonly HousekeepingJob[] = [
  { name: 'refresh Instagram tokens', everyMs: 60_000, run: (services) => refreshTokens(services, tokenPage) },
  {
    name: 'forget idempotency keys',
    everyMs: 60_000,
    run: ({ db }) => inPages(() => deleteOldIdempotencyKeys(db, page)),
  },
  { name: 'forget jobs', everyMs: 60_000, run: forgetting('jobs', (days) => days.jobsDays, expireJobs) },
  { name: 'forget events', everyMs: 60_000, run: forgetting('events', (days) => days.eventsDays, deleteOldEvents) },
  {
    name: 'forget conversations',
    everyMs: 60_000,
    run: forgetting('conversations', (days) => days.conversationsDays, forgetConversations),
  },
  { name: 'finish erasures', everyMs: 60_000, run: continueErasures },
];

/** Says what is to be done how often; again and again, for Redis may have lost it. */
export async function scheduleHousekeeping({ queues }: WorkerServices): Promise<void> {
  for (const { name, everyMs } of housekeeping)
    await queues.maintenance.upsertJobScheduler(
      name,
      { every: everyMs },
      { name, data: {}, opts: { removeOnComplete: { count: 100 }, removeOnFail: { count: 100 } } },
    );
}

/** Takes housekeeping from the queue, one at a time. */
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
