/** Telling clients that follow a job that there is something new to see. */
import type { JobStatus } from '@tally/db';
import { announceChange } from '@tally/queue';
import type { WorkerServices } from '../services.ts';

/** Says that a change of a job is committed. Nobody waits for it: whoever misses the news looks at the row within a second. */
export function announce(
  services: Pick<WorkerServices, 'redis' | 'keyPrefix'>,
  jobId: string,
  status: JobStatus,
): void {
  announceChange(services.redis, services.keyPrefix, { jobId, status }).catch(() => undefined);
}
