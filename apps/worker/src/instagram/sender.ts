/** The connected account that a job sends from, checked to be able to send. */
import { TallyError, unseal } from '@tally/core';
import { findSendingAccount, type SendingAccount, sealContext } from '@tally/db';
import type { Attempt } from '../jobs/attempt.ts';
import { Snoozed } from '../jobs/stops.ts';
import { untilReachable } from '../jobs/until-reachable.ts';
import type { ClaimedJob, WorkerServices } from '../services.ts';

// A job that Meta keeps rate limiting fails after this, since every accepted job (202) must end within 24 hours.
const maxWaitMs = 22 * 3_600_000;

/**
 * The Instagram account of the job's tenant, with its token unsealed.
 * @throws TallyError if it is not connected, is paused or needs a login; Snoozed while it is rate limited
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
  if (account.slowForMs > 0) snooze(job, account.slowForMs);
  return { ...account, accessToken: unseal(services.sealKeys, sealContext(igUserId), account.accessToken) };
}

/** Snoozes the attempt, or fails the job if it has waited too long. @throws always */
export function snooze(job: ClaimedJob, delayMs: number): never {
  if (job.ageMs + delayMs > maxWaitMs)
    throw new TallyError('reply_window_closed', 'Instagram took no message from this account for most of a day');
  // Jitter, so that jobs that wait for the same account do not return at once.
  throw new Snoozed(Math.ceil(delayMs * (1 + Math.random() / 4)));
}
