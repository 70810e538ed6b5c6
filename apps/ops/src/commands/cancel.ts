/** `npm run ops -- cancel`: cancels jobs of any account. */
import { isId } from '@tally/core';
import { findJobStatus, isEnded } from '@tally/db';
import { cancel } from '@tally/queue';
import type { OpsServices } from '../services.ts';

/** Cancels the given jobs and prints the status of each. Returns the exit code: 1 if one of them is unknown. */
export async function cancelCommand(
  services: OpsServices,
  jobIds: string[],
  options: { dryRun?: boolean },
): Promise<number> {
  let code = 0;
  for (const jobId of jobIds) {
    const status = isId(jobId) ? await statusAfter(services, jobId, options.dryRun === true) : undefined;
    if (status === undefined) code = 1;
    console.log(`${jobId}  ${status ?? 'unknown'}`);
  }
  return code;
}

async function statusAfter(services: OpsServices, jobId: string, isDry: boolean): Promise<string | undefined> {
  if (isDry) {
    const status = await findJobStatus(services.db, jobId);
    return status && (isEnded(status) ? status : `${status}, would be cancelled`);
  }
  const cancellation = await cancel(services, { accountId: undefined, jobId });
  return cancellation?.status === 'running' ? 'running, will be stopped' : cancellation?.status;
}
