/** Sends a job's message to Instagram at most once, even across crashes. */
import { type ErrorCode, errorCodes, TallyError, unseal } from '@tally/core';
import {
  beginSend,
  endSend,
  findSend,
  findSendingAccount,
  firstUnknownMessage,
  isUniqueViolation,
  type KnownSend,
  requireLogin,
  type SendEnd,
  type SendRequest,
  sealContext,
  slowDown,
  type Transaction,
} from '@tally/db';
import type { Said } from '@tally/tasks';
import { RateLimiterRes } from 'rate-limiter-flexible';
import type { Attempt } from '../jobs/attempt.ts';
import { Snoozed } from '../jobs/stops.ts';
import { untilReachable } from '../jobs/until-reachable.ts';
import type { ClaimedJob, WorkerServices } from '../services.ts';
import type { SendResult } from './graph-client.ts';
import type { SendFault } from './graph-errors.ts';
import { requireSender, snooze } from './sender.ts';

export type Send = Pick<SendRequest, 'igUserId' | 'recipient' | 'personId' | 'text'> & {
  /** Runs in the transaction that records the start of the send; the message is sent only if it returns `stored`. */
  store?: (client: Transaction) => Promise<{ silent: 'paused' } | 'changed' | 'stored'>;
  /** Called once the message is known to be sent; may be called again. */
  onSent?: (sent: { messageId: string; personId: string | undefined; text: string }) => Promise<void>;
};

/** How long a message with unknown outcome waits for its echo, and how often the job polls for it. */
const echoWaitMs = 15_000;
const echoPollMs = 1_500;
// Covers the difference between Meta's clock and ours, and Meta's timestamps in whole seconds.
const clockSkewMs = 5_000;
const firstSlowMs = 2_000;
const maxSlowMs = 600_000;

// A sent message must be recorded even if the lease was lost or the attempt aborted: no fence check, no signal.
const recordEnd = (services: WorkerServices, job: ClaimedJob, attempt: Attempt, end: Omit<SendEnd, 'id' | 'fence'>) =>
  untilReachable(() => endSend(services.db, { id: job.jobId, fence: job.fence, ...end }), { log: attempt.log });

/**
 * The message that an earlier attempt at this job sent; undefined if none was sent. Call it before any other check,
 * since a sent message counts whatever has changed since.
 * @throws TallyError if it failed, `send_uncertain` if the outcome stays unknown; Snoozed while it may still be found
 */
export async function resumeSend(
  services: WorkerServices,
  job: ClaimedJob,
  attempt: Attempt,
): Promise<{ text: string; messageId: string } | undefined> {
  // No earlier attempt exists under the first claim.
  if (job.fence === 1) return undefined;
  const send = await untilReachable(() => findSend(services.db, job.jobId), attempt);
  if (send === undefined || send.state === 'not_sent') return undefined;
  if (send.state === 'sent') return { text: send.text, messageId: send.messageId ?? '' };
  if (send.state === 'failed') throw new TallyError(codeOf(send), 'Instagram did not take the message');
  const messageId = await findSentMessage(services, job, attempt, send);
  if (messageId !== undefined) {
    await recordEnd(services, job, attempt, { state: 'sent', messageId });
    return { text: send.text, messageId };
  }
  if (send.ageMs < echoWaitMs) throw new Snoozed(echoPollMs);
  await recordEnd(services, job, attempt, { state: 'uncertain', error: send.error ?? 'no answer' });
  throw new TallyError('send_uncertain', 'Whether the message arrived can’t be told; it is not sent again');
}

const codeOf = ({ errorCode }: KnownSend): ErrorCode =>
  errorCode !== null && errorCode in errorCodes ? (errorCode as ErrorCode) : 'reply_window_closed';

/** Looks the message up at Instagram and returns its id; also for an account that may not send any more. */
async function findSentMessage(
  services: WorkerServices,
  job: ClaimedJob,
  attempt: Attempt,
  { igUserId, personId, text, ageMs }: KnownSend,
): Promise<string | undefined> {
  if (personId === null) return undefined;
  const account = await untilReachable(() => findSendingAccount(services.db, job.accountId, igUserId), attempt);
  if (account === undefined) return undefined;
  const accessToken = unseal(services.sealKeys, sealContext(igUserId), account.accessToken);
  const since = new Date(Date.now() - ageMs - clockSkewMs);
  const found = await services.graph.findSent({ igUserId, accessToken }, { personId, text, since });
  return untilReachable(() => firstUnknownMessage(services.db, found), attempt);
}

/**
 * Sends the job's message; call it once per attempt, after {@link resumeSend}.
 * @throws TallyError if the message can't be sent; Snoozed if it has to wait
 */
export async function sendOnce(
  services: WorkerServices,
  job: ClaimedJob,
  attempt: Attempt,
  { store, onSent, ...send }: Send,
): Promise<Said> {
  const { igUserId, recipient, text } = send;
  const { accessToken } = await requireSender(services, job, attempt, igUserId);
  const start = await attempt
    .write(async (client) => {
      const stored = (await store?.(client)) ?? 'stored';
      if (stored !== 'stored') return stored;
      return beginSend(client, { id: job.jobId, accountId: job.accountId, fence: job.fence, ...send });
    })
    .catch((error: unknown) => {
      // A comment has one row: another job has answered it or is about to.
      if (isUniqueViolation(error)) return { silent: 'already_answered' as const };
      throw error;
    });
  // The messages to answer have changed: the next attempt reads them again.
  if (start === 'changed') throw new Snoozed(0);
  if ('silent' in start) return start;
  if (start.verdict === 'unwanted') return { silent: start.why };
  if (start.verdict === 'begun') throw new Snoozed(echoPollMs);

  const waitMs = await rateWaitMs(services, send);
  if (waitMs > 0) {
    await recordEnd(services, job, attempt, { state: 'not_sent' });
    return snooze(job, waitMs);
  }
  const result = await services.graph.send({ igUserId, accessToken, recipient, text });
  attempt.log.info({ outcome: result.outcome, to: recipient.kind }, 'message to Instagram');
  if (result.outcome !== 'sent') return endUnsent(services, job, attempt, igUserId, { ...result, tries: start.tries });
  const { messageId, personId } = result;
  await recordEnd(services, job, attempt, { state: 'sent', messageId });
  await onSent?.({ messageId, personId, text });
  return { text, messageId };
}

type Unsent = Exclude<SendResult, { outcome: 'sent' }> & { tries: number };

/** Records why a message was not sent, then fails the job or snoozes the attempt. @throws always */
async function endUnsent(
  services: WorkerServices,
  job: ClaimedJob,
  attempt: Attempt,
  igUserId: string,
  { outcome, detail, retryAfterMs, tries }: Unsent,
): Promise<never> {
  if (outcome === 'uncertain') {
    await recordEnd(services, job, attempt, { state: 'uncertain', error: detail });
    throw new Snoozed(echoPollMs);
  }
  if (outcome === 'slow_down' || outcome === 'unreachable') {
    await recordEnd(services, job, attempt, { state: 'not_sent', error: detail });
    const delayMs = Math.max(retryAfterMs ?? 0, Math.min(maxSlowMs, firstSlowMs * 2 ** (tries - 1)));
    if (outcome === 'slow_down') await untilReachable(() => slowDown(services.db, igUserId, delayMs), attempt);
    return snooze(job, delayMs);
  }
  const { code, text } = endings[outcome];
  await recordEnd(services, job, attempt, { state: 'failed', errorCode: code, error: detail });
  if (outcome === 'needs_login')
    await untilReachable(() => requireLogin(services.db, igUserId, `Instagram refused the token (${detail})`), attempt);
  throw new TallyError(code, text);
}

const endings = {
  window_closed: { code: 'reply_window_closed', text: 'Instagram takes no more replies to this' },
  needs_login: { code: 'account_paused', text: 'The Instagram account needs a new login' },
  not_ours: { code: 'blocked', text: 'Another app answers in this conversation' },
  our_bug: { code: 'internal', text: 'Instagram did not accept the message' },
} as const satisfies Partial<Record<SendFault, { code: ErrorCode; text: string }>>;

/** Milliseconds until the account may send; 0 means now. Counted in Redis for all workers. */
async function rateWaitMs(services: WorkerServices, { igUserId, recipient }: Send): Promise<number> {
  try {
    await services.sendRates[recipient.kind].consume(igUserId);
    return 0;
  } catch (error) {
    if (error instanceof RateLimiterRes) return Math.max(1, error.msBeforeNext);
    // Redis is unavailable: the next attempt counts instead.
    return firstSlowMs;
  }
}
