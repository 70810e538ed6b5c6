/** Renews the leases of all jobs that run in this process, with one statement. */
import { renewLeases } from '@tally/db';
import { jobLeaseMs, jobLeaseRenewalMs, type WorkerServices } from '../services.ts';
import { Cancelled, LeaseLost } from './stops.ts';

/** Starts renewing; the returned function stops it. Aborts attempts whose lease is lost or whose job is cancelled. */
export function keepLeases(services: WorkerServices): () => void {
  let busy = false;
  const renew = async () => {
    if (busy || services.running.size === 0) return;
    busy = true;
    const owned = [...services.running].map(([jobId, { fence, abort }]) => ({ jobId, fence, abort }));
    try {
      const kept = await renewLeases(services.db, owned, jobLeaseMs);
      for (const { jobId, fence, abort } of owned) {
        // An attempt that ended while the statement ran has not lost its lease.
        if (services.running.get(jobId)?.fence !== fence) continue;
        const lease = kept.get(jobId);
        if (lease === undefined) abort.abort(new LeaseLost());
        else if (lease.isCancelled) abort.abort(new Cancelled());
      }
    } catch (err) {
      services.log.warn({ err, jobs: owned.length }, 'leases could not be renewed');
    } finally {
      busy = false;
    }
  };
  const timer = setInterval(() => void renew(), jobLeaseRenewalMs);
  return () => clearInterval(timer);
}
