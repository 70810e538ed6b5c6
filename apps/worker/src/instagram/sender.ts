/** The connected account that a job sends from, fit to send. */
import { TallyError, unseal } from '@tally/core';
import { findSendingAccount, type SendingAccount, sealContext } from '@tally/db';
import type { Attempt } from '../jobs/attempt.ts';
import { Snoozed } from '../jobs/stops.ts';
import { untilReachable } from '../jobs/until-reachable.ts';
import type { ClaimedJob, WorkerServices } from '../services.ts';

// After this a job that Meta keeps putting off is given up: its 24 hours (the promise behind every 202) are nearly over.
const maxPutOffMs = 22 * 3_600_000;

/**
 * The job's own tenant's account, with its token opened.
 * @throws TallyError where it is not connected, paused or needs a login; Snoozed while Meta wants it slow
 */
export async function requireSender(
  services: WorkerServices,
  job: ClaimedJob,
  attempt: Attempt,
  igUserId: string,
): Promise<SendingAccount> {
  const account = await untilReachable(() => findSendingAccount(services.db, job.accountId, igUserId), attempt);
  if (account === undefined) throw new TallyError('not_found', 'This Instagram account is not connected');
  if (account.state !== 'active')
    throw new TallyError(
      'account_paused',
      account.state === 'needs_login' ? 'The Instagram account needs a new login' : 'The Instagram account is paused',
    );
  if (account.slowForMs > 0) putOff(job, account.slowForMs);
  return { ...account, accessToken: unseal(services.sealKeys, sealContext(igUserId), account.accessToken) };
}

/** Gives the attempt back until later. @throws always */
export function putOff(job: ClaimedJob, delayMs: number): never {
  if (job.ageMs + delayMs > maxPutOffMs)
    throw new TallyError('reply_window_closed', 'Instagram took no message from this account for most of a day');
  // A little apart, or all that wait for one account come back at once.
  throw new Snoozed(Math.ceil(delayMs * (1 + Math.random() / 4)));
}
