/** Publishes a job's changes to the clients that follow it. */
import type { JobStatus } from '@tally/db';
import { announceChange } from '@tally/queue';
import type { WorkerServices } from '../services.ts';

/** Publishes a committed change without waiting: a client that misses it reads the row within a second. */
export function announce(
  services: Pick<WorkerServices, 'redis' | 'keyPrefix'>,
  jobId: string,
  status: JobStatus,
): void {
  announceChange(services.redis, services.keyPrefix, { jobId, status }).catch(() => undefined);
}
