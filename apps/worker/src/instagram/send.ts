/** One message to Instagram, at most once, whatever dies when. */
import { type ErrorCode, TallyError } from '@tally/core';
import {
  askForLogin,
  beginSend,
  endSend,
  type SendRequest,
  type SendStart,
  slowDown,
  type Transaction,
} from '@tally/db';
import type { Said } from '@tally/tasks';
import { RateLimiterRes } from 'rate-limiter-flexible';
import type { Attempt, ClaimedJob } from '../attempt.ts';
import { untilReachable } from '../outages.ts';
import type { WorkerServices } from '../services.ts';
import { Postponed } from '../stops.ts';
import type { SendResult } from './graph-client.ts';
import type { SendFault } from './graph-errors.ts';
import { putOff, requireSender } from './sender.ts';

export type Send = Pick<SendRequest, 'igUserId' | 'recipient' | 'personId' | 'text'> & {
  /** Written in the same transaction as the note that the message is about to leave. */
  store?: (client: Transaction) => Promise<void>;
  /** Called once the message is known to have left; may be repeated. */
  onSent?: (sent: { messageId: string; personId: string | undefined; text: string }) => Promise<void>;
};

/** How long a message of unknown outcome waits for its echo, and how often it looks. */
const echoWaitMs = 15_000;
const echoLookMs = 1_500;
const firstSlowMs = 2_000;
const longestSlowMs = 600_000;

/**
 * Sends the job's message, or finds out what became of it. @throws TallyError where it ends without being sent,
 * `send_uncertain` where nobody can tell; Postponed where it has to wait
 */
export async function sendOnce(
  services: WorkerServices,
  job: ClaimedJob,
  attempt: Attempt,
  { store, onSent, ...send }: Send,
): Promise<Said> {
  const { igUserId, recipient } = send;
  const { accessToken } = await requireSender(services, job, attempt, igUserId);
  const start = await attempt.write(async (client) => {
    const outcome = await beginSend(client, { id: job.jobId, accountId: job.accountId, ...send });
    if (outcome.verdict === 'send') await store?.(client);
    return outcome;
  });
  if (start.verdict === 'taken') return { silent: 'already_answered' };
  if (start.verdict === 'unwanted') return { silent: 'opted_out' };

  async function arrived(messageId: string, text: string, personId?: string): Promise<Said> {
    await note({ state: 'sent', messageId });
    await onSent?.({ messageId, personId, text });
    return { text, messageId };
  }
  // What left has left, whoever owns the job by now: neither fence nor abort may keep it from being written down.
  const note = (end: Pick<Parameters<typeof endSend>[1], 'state' | 'messageId' | 'error'>) =>
    untilReachable(() => endSend(services.db, { id: job.jobId, ...end }), { log: attempt.log });

  if (start.verdict === 'known') {
    const messageId =
      knownMessage(start) ??
      (send.personId === null
        ? undefined
        : await services.graph.findSent({ igUserId, accessToken }, send.personId, start.text));
    if (messageId !== undefined) return arrived(messageId, start.text);
    if (start.ageMs < echoWaitMs) throw new Postponed(echoLookMs);
    await note({ state: 'uncertain', error: start.error ?? 'no answer' });
    throw new TallyError('send_uncertain', 'Whether the message arrived can’t be told; it is not sent again');
  }

  const waitMs = await rateWaitMs(services, send);
  if (waitMs > 0) {
    await note({ state: 'not_sent' });
    return putOff(job, waitMs);
  }
  const result = await services.graph.send({ igUserId, accessToken, recipient, text: start.text });
  attempt.log.info({ outcome: result.outcome, to: recipient.kind }, 'message to Instagram');
  if (result.outcome === 'sent') return arrived(result.messageId, start.text, result.personId);
  const { outcome, detail } = result;
  await note({ state: stateAfter[outcome], error: detail });
  if (outcome === 'uncertain') throw new Postponed(echoLookMs);
  if (outcome === 'slow_down') return slow(services, job, igUserId, result);
  if (outcome === 'unreachable') return putOff(job, growing(job));
  if (outcome === 'needs_login')
    await untilReachable(() => askForLogin(services.db, igUserId, `Instagram refused the token (${detail})`), attempt);
  const { code, text } = endings[outcome];
  throw new TallyError(code, text);
}

const stateAfter = {
  slow_down: 'not_sent',
  unreachable: 'not_sent',
  uncertain: 'uncertain',
  window_closed: 'failed',
  needs_login: 'failed',
  not_ours: 'failed',
  our_bug: 'failed',
} as const satisfies Record<SendFault | 'unreachable', string>;

const endings = {
  window_closed: { code: 'reply_window_closed', text: 'Instagram takes no more replies to this' },
  needs_login: { code: 'account_paused', text: 'The Instagram account needs a new login' },
  not_ours: { code: 'blocked', text: 'Another app answers in this conversation' },
  our_bug: { code: 'internal', text: 'Instagram did not accept the message' },
} as const satisfies Partial<Record<SendFault, { code: ErrorCode; text: string }>>;

/** The message's id where it is known to have been sent. @throws TallyError where it is known to have failed */
function knownMessage(start: Extract<SendStart, { verdict: 'known' }>): string | undefined {
  if (start.state === 'failed') throw new TallyError('reply_window_closed', 'Instagram refused this message');
  return start.state === 'sent' ? (start.messageId ?? '') : undefined;
}

async function slow(services: WorkerServices, job: ClaimedJob, igUserId: string, result: SendResult): Promise<never> {
  const askedMs = result.outcome === 'sent' ? 0 : (result.retryAfterMs ?? 0);
  const delayMs = Math.max(askedMs, growing(job));
  await untilReachable(() => slowDown(services.db, igUserId, delayMs), services);
  return putOff(job, delayMs);
}

/** 2 s, 4 s, … at most 10 minutes. */
const growing = (job: ClaimedJob): number => Math.min(longestSlowMs, firstSlowMs * 2 ** Math.min(job.waits, 12));

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
