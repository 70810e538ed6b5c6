/** Accepts a job: commits it to Postgres, then enqueues it. The job is accepted once the commit succeeds. */
import { type AccessRefusal, group, type Logger, newId, TallyError } from '@tally/core';
import {
  type Database,
  type Dispatch,
  findIdempotencyKey,
  isUnavailable,
  renewPeriod,
  type Submission,
  type SubmissionOutcome,
  storageFull,
  submitJobs,
} from '@tally/db';
import { type AnyTask, minTokensFor } from '@tally/tasks';
import { type Backlogs, createBacklogs } from './backlogs.ts';
import { enqueueSoon } from './enqueue-soon.ts';
import type { Queues } from './queues.ts';

export type Submitter = {
  db: Database;
  log: Logger;
  backlogs: Backlogs;
  insert: (submission: Submission) => Promise<SubmissionOutcome>;
  enqueue: (dispatch: Dispatch) => Promise<void>;
};

/**
 * Builds what {@link submit} needs: concurrent submissions share one statement and one Redis pipeline. An account may
 * have `maxQueuedJobs` queued; 0 means no limit.
 */
export function createSubmitter(options: {
  db: Database;
  queues: Queues;
  log: Logger;
  maxQueuedJobs: number;
}): Submitter {
  return {
    db: options.db,
    log: options.log,
    backlogs: createBacklogs(options.db, options.maxQueuedJobs),
    insert: group((submissions: Submission[]) => submitJobs(options.db, submissions), {
      retryAlone: (error) => !isUnavailable(error),
    }),
    enqueue: group(async (dispatches: Dispatch[]) => {
      await enqueueSoon(options.queues, dispatches);
      return dispatches.map(() => undefined);
    }),
  };
}

export type SubmitRequest = {
  accountId: string;
  task: AnyTask;
  /** Parsed by the task's schema. */
  input: unknown;
  idempotency?: { key: string; requestHash: Buffer } | undefined;
};

export type SubmitOutcome =
  | { outcome: 'accepted'; jobId: string; isReplay: boolean }
  | {
      outcome: 'refused';
      reason: AccessRefusal;
      tokensGranted: number;
      tokensConsumed: number;
      /** The remaining tokens that the job requires. */
      neededTokens: number;
    };

/**
 * Accepts a job, or returns why the account may not run it. If Redis is unavailable, the job is dispatched later.
 * @throws TallyError `idempotency_conflict` where the key belongs to another request, `rate_limited` for a full backlog,
 *   `storage_full` where the input exceeds the account's storage; Postgres errors while Postgres is unavailable
 */
export async function submit(submitter: Submitter, request: SubmitRequest): Promise<SubmitOutcome> {
  const replay = await findReplay(submitter, request);
  if (replay !== undefined) return replay;
  const jobId = newId();
  const outcome = await submitter.backlogs.submit(request.accountId, () => insert(submitter, request, jobId));
  if (outcome.outcome === 'storage_full') throw storageFull(outcome.storage);
  if (outcome.outcome === 'refused') return { ...outcome, neededTokens: minTokensFor(request.task, request.input) };
  if (outcome.outcome === 'key_taken') {
    const winner = await findReplay(submitter, request);
    if (winner === undefined) throw new TallyError('unavailable', 'The idempotency key is changing hands, try again');
    return winner;
  }
  const { accountId, task } = request;
  submitter.log.info({ job_id: jobId, account_id: accountId, task: task.name, status: 'queued' }, 'job queued');
  await submitter.enqueue({ jobId, accountId, task: task.name, dispatch: 1, delayMs: 0 });
  return { outcome: 'accepted', jobId, isReplay: false };
}

async function insert(submitter: Submitter, request: SubmitRequest, jobId: string) {
  const submission: Submission = {
    id: jobId,
    accountId: request.accountId,
    task: request.task.name,
    inputJson: JSON.stringify(request.input),
    minTokens: minTokensFor(request.task, request.input),
    idempotency: request.idempotency,
  };
  for (let tries = 0; tries < 3; tries++) {
    const outcome = await submitter.insert(submission);
    if (outcome.outcome !== 'renewal_due') return outcome;
    await renewPeriod(submitter.db, request.accountId);
  }
  return { outcome: 'refused', reason: 'subscription_expired', tokensGranted: 0, tokensConsumed: 0 } as const;
}

async function findReplay(
  submitter: Submitter,
  { accountId, idempotency }: SubmitRequest,
): Promise<SubmitOutcome | undefined> {
  if (idempotency === undefined) return undefined;
  const record = await findIdempotencyKey(submitter.db, accountId, idempotency.key);
  if (record === undefined) return undefined;
  if (record.jobId === null || !record.requestHash.equals(idempotency.requestHash))
    throw new TallyError('idempotency_conflict', 'This Idempotency-Key was used for another request');
  return { outcome: 'accepted', jobId: record.jobId, isReplay: true };
}
