/** One message to Instagram, at most once, whatever dies when. */
import { type ErrorCode, errorCodes, TallyError, unseal } from '@tally/core';
import {
  askForLogin,
  beginSend,
  endSend,
  findSend,
  findSendingAccount,
  firstUnknownMessage,
  isUniqueViolation,
  type KnownSend,
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
import { putOff, requireSender } from './sender.ts';

export type Send = Pick<SendRequest, 'igUserId' | 'recipient' | 'personId' | 'text'> & {
  /** Runs in the transaction that notes that the message is about to leave; false where it must not. */
  store?: (client: Transaction) => Promise<{ silent: 'paused' } | 'changed' | 'stored'>;
  /** Called once the message is known to have left; may be repeated. */
  onSent?: (sent: { messageId: string; personId: string | undefined; text: string }) => Promise<void>;
};

/** How long a message of unknown outcome waits for its echo, and how often it looks. */
const echoWaitMs = 15_000;
const echoLookMs = 1_500;
// Meta's clock and ours, and its seconds without fractions.
const clockSkewMs = 5_000;
const firstSlowMs = 2_000;
const maxSlowMs = 600_000;

// What left has left, whoever owns the job by now: neither fence nor abort may keep it from being written down.
const note = (services: WorkerServices, job: ClaimedJob, attempt: Attempt, end: Omit<SendEnd, 'id' | 'fence'>) =>
  untilReachable(() => endSend(services.db, { id: job.jobId, fence: job.fence, ...end }), { log: attempt.log });

/**
 * What became of the message that an earlier attempt at this job sent, or may have sent; undefined where none has. To be
 * asked before anything else: whatever has changed since, what left has left.
 * @throws TallyError where it failed, `send_uncertain` where nobody can tell; Snoozed while there is hope
 */
export async function resumeSend(
  services: WorkerServices,
  job: ClaimedJob,
  attempt: Attempt,
): Promise<{ text: string; messageId: string } | undefined> {
  // A first claim can't have sent anything.
  if (job.fence === 1) return undefined;
  const send = await untilReachable(() => findSend(services.db, job.jobId), attempt);
  if (send === undefined || send.state === 'not_sent') return undefined;
  if (send.state === 'sent') return { text: send.text, messageId: send.messageId ?? '' };
  if (send.state === 'failed') throw new TallyError(codeOf(send), 'Instagram did not take the message');
  const messageId = await askInstagram(services, job, attempt, send);
  if (messageId !== undefined) {
    await note(services, job, attempt, { state: 'sent', messageId });
    return { text: send.text, messageId };
  }
  if (send.ageMs < echoWaitMs) throw new Snoozed(echoLookMs);
  await note(services, job, attempt, { state: 'uncertain', error: send.error ?? 'no answer' });
  throw new TallyError('send_uncertain', 'Whether the message arrived can’t be told; it is not sent again');
}

const codeOf = ({ errorCode }: KnownSend): ErrorCode =>
  errorCode !== null && errorCode in errorCodes ? (errorCode as ErrorCode) : 'reply_window_closed';

/** The id by which Instagram knows a message of ours; also of an account that may not send any more. */
async function askInstagram(
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
 * Sends the job's message; to be called once an attempt, after {@link resumeSend}. @throws TallyError where it ends without
 * being sent; Snoozed where it has to wait
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
      // A comment has one row: another job has answered it, or is about to.
      if (isUniqueViolation(error)) return { silent: 'already_answered' as const };
      throw error;
    });
  // What was to be answered has changed: the next attempt reads it anew.
  if (start === 'changed') throw new Snoozed(0);
  if ('silent' in start) return start;
  if (start.verdict === 'unwanted') return { silent: start.why };
  if (start.verdict === 'begun') throw new Snoozed(echoLookMs);

  const waitMs = await rateWaitMs(services, send);
  if (waitMs > 0) {
    await note(services, job, attempt, { state: 'not_sent' });
    return putOff(job, waitMs);
  }
  const result = await services.graph.send({ igUserId, accessToken, recipient, text });
  attempt.log.info({ outcome: result.outcome, to: recipient.kind }, 'message to Instagram');
  if (result.outcome !== 'sent') return endUnsent(services, job, attempt, igUserId, { ...result, tries: start.tries });
  const { messageId, personId } = result;
  await note(services, job, attempt, { state: 'sent', messageId });
  await onSent?.({ messageId, personId, text });
  return { text, messageId };
}

type Unsent = Exclude<SendResult, { outcome: 'sent' }> & { tries: number };

/** Writes down why a message was not sent, and ends the job or gives its attempt back. @throws always */
async function endUnsent(
  services: WorkerServices,
  job: ClaimedJob,
  attempt: Attempt,
  igUserId: string,
  { outcome, detail, retryAfterMs, tries }: Unsent,
): Promise<never> {
  if (outcome === 'uncertain') {
    await note(services, job, attempt, { state: 'uncertain', error: detail });
    throw new Snoozed(echoLookMs);
  }
  if (outcome === 'slow_down' || outcome === 'unreachable') {
    await note(services, job, attempt, { state: 'not_sent', error: detail });
    const delayMs = Math.max(retryAfterMs ?? 0, Math.min(maxSlowMs, firstSlowMs * 2 ** (tries - 1)));
    if (outcome === 'slow_down') await untilReachable(() => slowDown(services.db, igUserId, delayMs), attempt);
    return putOff(job, delayMs);
  }
  const { code, text } = endings[outcome];
  await note(services, job, attempt, { state: 'failed', errorCode: code, error: detail });
  if (outcome === 'needs_login')
    await untilReachable(() => askForLogin(services.db, igUserId, `Instagram refused the token (${detail})`), attempt);
  throw new TallyError(code, text);
}

const endings = {
  window_closed: { code: 'reply_window_closed', text: 'Instagram takes no more replies to this' },
  needs_login: { code: 'account_paused', text: 'The Instagram account needs a new login' },
  not_ours: { code: 'blocked', text: 'Another app answers in this conversation' },
  our_bug: { code: 'internal', text: 'Instagram did not accept the message' },
} as const satisfies Partial<Record<SendFault, { code: ErrorCode; text: string }>>;

/** Milliseconds until the account may send again; 0 now. Counted in Redis for all workers. */
async function rateWaitMs(services: WorkerServices, { igUserId, recipient }: Send): Promise<number> {
  try {
    await services.sendRates[recipient.kind].consume(igUserId);
    return 0;
  } catch (error) {
    if (error instanceof RateLimiterRes) return Math.max(1, error.msBeforeNext);
    // Redis is away: the next attempt counts.
    return firstSlowMs;
  }
}
