/** Processes one job from BullMQ: claims it, runs it, and makes one move to its next status. */
import { setTimeout as sleep } from 'node:timers/promises';
import { getBalance, refusalOf, refusalText, removeFromRedis } from '@tally/billing';
import { type ErrorCode, isAccessRefusal, type Logger, newId, TallyError } from '@tally/core';
import { deleteHoldsBefore, type Move, nextDispatches } from '@tally/db';
import { announce, assignPriorities, enqueueSoon, fromQueueId, type JobData, returningFlow } from '@tally/queue';
import { type AnyTask, minTokensFor } from '@tally/tasks';
import { DelayedError, type Job, UnrecoverableError } from 'bullmq';
import { type ClaimedJob, jobLeaseMs, type WorkerServices } from '../services.ts';
import { type Attempt, beginAttempt } from './attempt.ts';
import { createContext } from './context.ts';
import { Cancelled, LeaseLost, ProviderBusy, ShuttingDown, Snoozed, TokensHeld } from './stops.ts';
import { untilReachable } from './until-reachable.ts';

type Ending = Omit<Move, 'jobId' | 'fence'>;

/** Returns BullMQ's processor for a task. The processor returns nothing: results are stored in Postgres. */
export function createProcessor(services: WorkerServices, task: AnyTask, modelTimeoutMs: number) {
  return async (queued: Job<JobData>, token?: string): Promise<void> => {
    const id = fromQueueId(queued.id ?? '');
    if (id === undefined) throw new UnrecoverableError('not a job of ours');
    const log = services.log.child({ job_id: id.jobId, account_id: queued.data.account_id, task: task.name });
    const request = { ...id, claimId: newId(), leaseMs: jobLeaseMs };
    const claim = await untilReachable(() => services.claim(request), { log });
    if (claim.verdict === 'stale') return;
    if (claim.verdict === 'not_yet') return delay(services, queued, token, claim.retryInMs);
    const ending = await runClaimed(services, { ...claim, jobId: id.jobId, task }, log, modelTimeoutMs);
    if (ending === undefined) return;
    announce(services, id.jobId, ending.status);
    if (ending.status === 'queued') return delay(services, queued, token, ending.delayMs ?? 0);
    // Puts the job into BullMQ's failed list with its error code, where operators see what they may requeue.
    if (ending.status === 'failed' || ending.status === 'rejected') throw new UnrecoverableError(ending.errorCode);
  };
}

/** Runs a claimed job and makes its move. Undefined if the lease was lost. */
async function runClaimed(
  services: WorkerServices,
  job: ClaimedJob,
  log: Logger,
  modelTimeoutMs: number,
): Promise<Ending | undefined> {
  const abort = new AbortController();
  services.running.set(job.jobId, { fence: job.fence, abort });
  const startedAt = performance.now();
  try {
    if (job.mayHaveLeftHolds) await untilReachable(() => deleteStaleHolds(services, job), { log });
    const attempt = beginAttempt(services, job, { signal: abort.signal, log, modelTimeoutMs });
    log.info({ status: 'running', fence: job.fence, attempt: job.attempts }, 'job running');
    announce(services, job.jobId, 'running');
    if (job.isCancelled) abort.abort(new Cancelled());
    const ending = await run(services, job, attempt, log);
    if (ending === undefined) await attempt.abandon();
    if (ending === undefined || !(await attempt.commit(ending))) {
      log.warn({ fence: job.fence }, 'the job was taken over: this attempt stops');
      return undefined;
    }
    const { status, errorCode, delayMs } = ending;
    const durationMs = Math.round(performance.now() - startedAt);
    log.info({ status, error_code: errorCode, delay_ms: delayMs, duration_ms: durationMs }, `job ${status}`);
    return ending;
  } finally {
    if (services.running.get(job.jobId)?.fence === job.fence) services.running.delete(job.jobId);
  }
}

async function run(
  services: WorkerServices,
  job: ClaimedJob,
  attempt: Attempt,
  log: Logger,
): Promise<Ending | undefined> {
  const { task } = job;
  if (job.attempts > task.queue.attempts)
    return failed('poisoned', `The job ended its worker ${task.queue.attempts} times`);
  const input = task.input.safeParse(job.input);
  if (!input.success) return failed('invalid_input', 'The stored input does not fit the task any more');
  try {
    attempt.signal.throwIfAborted();
    task.check?.(input.data as never, services.addressPolicy);
    await refuseUnpayable(services, job, input.data);
    const result = await task.run(input.data as never, createContext(services, job, attempt));
    return { status: 'completed', result: task.output.parse(result) };
  } catch (error) {
    // An error after an abort is a consequence of the abort.
    const ending = endingOf(attempt.signal.aborted ? attempt.signal.reason : error, job, log);
    // Results that were paid for are returned even if the job did not complete.
    const kept = task.output.safeParse(attempt.kept());
    return ending && ending.status !== 'queued' && kept.success ? { ...ending, result: kept.data } : ending;
  }
}

/**
 * Refuses a job before its input is counted, searched for or opened, if its account was refused recently and can't pay
 * for the job's minimum. @throws TallyError the refusal
 */
async function refuseUnpayable(services: WorkerServices, job: ClaimedJob, input: unknown): Promise<void> {
  const neededTokens = minTokensFor(job.task, input);
  // Steps stored by an earlier attempt cost nothing more, and a minimum of 1 means that the job may be free.
  if (!services.refusedAccounts.has(job.accountId) || job.fence > 1 || neededTokens === 1) return;
  const standing = await getBalance(services.billing, job.accountId);
  const reason = refusalOf(standing, neededTokens);
  if (reason === null) return;
  const { remainingTokens } = standing.balance;
  throw new TallyError(reason, refusalText(reason, { neededTokens, remainingTokens }));
}

/** The move that follows from an attempt's error; undefined if the lease was lost. */
function endingOf(error: unknown, job: ClaimedJob, log: Logger): Ending | undefined {
  if (error instanceof LeaseLost) return undefined;
  if (error instanceof Cancelled) return { status: 'cancelled', errorCode: 'cancelled', error: 'Cancelled' };
  if (error instanceof ShuttingDown) return { status: 'queued', delayMs: 0, snooze: true };
  if (error instanceof Snoozed) return { status: 'queued', delayMs: error.delayMs, snooze: true };
  if (error instanceof ProviderBusy) return waitForProvider(error, job);
  if (error instanceof TokensHeld) return { status: 'queued', delayMs: waitDelayMs(job.waits), snooze: true };
  if (!(error instanceof TallyError)) {
    log.error({ err: error }, 'a task threw an unknown error');
    return failed('internal', 'Internal error');
  }
  if (isAccessRefusal(error.code)) return { status: 'rejected', errorCode: error.code, error: error.message };
  if (error.retryable && job.attempts < job.task.queue.attempts) {
    const delayMs = Math.max(retryDelayMs(job.attempts), error.retryAfterMs ?? 0);
    log.warn({ err: error, delay_ms: delayMs }, 'the attempt failed and will be repeated');
    return { status: 'queued', delayMs, errorCode: error.code, error: error.message };
  }
  log.warn({ err: error }, 'the job failed');
  return failed(error.code, error.message);
}

// A job ends within 24 hours, so its last wait starts before that.
const maxWaitMs = 23.9 * 3_600_000;

function waitForProvider({ delayMs, isBlocked }: ProviderBusy, job: ClaimedJob): Ending {
  if (job.ageMs > maxWaitMs) return failed('model_unavailable', 'The model was not available for a day');
  return { status: 'queued', delayMs, snooze: true, ...(isBlocked && { progress: 'waiting_for_provider' }) };
}

const failed = (errorCode: ErrorCode, error: string): Ending => ({ status: 'failed', errorCode, error });

/** Exponential back-off with jitter: 1 to 2 s, 2 to 4 s, … at most a minute. */
const retryDelayMs = (attempts: number): number =>
  Math.round(Math.min(60_000, 1_000 * 2 ** attempts) * (0.5 + Math.random() / 2));

/** Back-off while other jobs hold the tokens; shorter than the lifetime of the job's ticket (reserve.lua). */
const waitDelayMs = (waits: number): number =>
  Math.round(Math.min(3_000, 100 * 1.5 ** waits) * (0.5 + Math.random() / 2));

async function deleteStaleHolds(services: WorkerServices, job: ClaimedJob): Promise<void> {
  await removeFromRedis(services.billing, await deleteHoldsBefore(services.db, job.jobId, job.fence));
}

/** Delays the BullMQ job. The row already holds the delay, and is authoritative if Redis loses data. */
async function delay(
  { db, queues, log }: WorkerServices,
  queued: Job<JobData>,
  token: string | undefined,
  delayMs: number,
): Promise<void> {
  try {
    const [priority] = await assignPriorities(queues, queued.queueName, [returningFlow(queued.data.account_id)]);
    await queued.changePriority({ priority: priority as number });
    // 5 ms late costs nothing, while a run that starts early wastes a claim.
    await queued.moveToDelayed(Date.now() + delayMs + 5, token);
  } catch (err) {
    // This BullMQ job is lost: dispatch the row again at once, rather than wait for maintenance to find it.
    log.warn({ err, queue_id: queued.id }, 'an attempt could not be given back to its queue: dispatched again');
    const { jobId = '' } = fromQueueId(queued.id ?? '') ?? {};
    return enqueueSoon(queues, await untilReachable(() => nextDispatches(db, [jobId]), { log }));
  }
  throw new DelayedError();
}

/** Resolves when `running` is empty, or after `limitMs`. */
export async function drained(services: WorkerServices, limitMs: number): Promise<void> {
  const until = performance.now() + limitMs;
  while (services.running.size > 0 && performance.now() < until) await sleep(50);
}
