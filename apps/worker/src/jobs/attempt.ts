/** One attempt at a job: its metered calls, and its writes under the fencing token. */
import { settle } from '@tally/billing';
import type { Logger } from '@tally/core';
import { type CallRecord, inFence, type Move, readSteps, type Transaction } from '@tally/db';
import type { AnswerFormat, LlmAnswer, LlmRequest } from '@tally/tasks';
import { plainText, type StepOutput, toJsonFormat, wholeText } from '../model/output.ts';
import { runStep, type StepAttempt } from '../model/step.ts';
import type { ClaimedJob, WorkerServices } from '../services.ts';
import { LeaseLost } from './stops.ts';
import { untilReachable } from './until-reachable.ts';

export type Attempt = {
  /** See {@link TaskContext.llm}. */
  llm(step: string, request: LlmRequest): Promise<LlmAnswer>;
  llmJson<T>(step: string, request: LlmRequest, format: AnswerFormat<T>): Promise<T>;
  /**
   * Settles what is owed, then runs a transaction under the job's fence. It is repeated after an unknown outcome, so it
   * must be idempotent. @throws LeaseLost if another worker has claimed the job
   */
  write<T>(work: (client: Transaction) => Promise<T>): Promise<T>;
  /** See {@link TaskContext.keep}. */
  keep(result: unknown): void;
  /** The result kept last. */
  kept(): unknown;
  signal: AbortSignal;
  log: Logger;
  /** See {@link untilReachable}. */
  giveUpAtMs: number;
  /** Settles what is owed and makes the job's move, in one transaction. False if the lease was lost. */
  commit(move: Omit<Move, 'jobId' | 'fence'>): Promise<boolean>;
  /** Settles the call that this attempt owes after its lease was lost. */
  abandon(): Promise<void>;
};

// A job ends within 24 hours, even if a store refuses it because of a bug; its last attempts still get 10 minutes each.
const maxStoreWaitMs = 23 * 3_600_000;
const minStoreWaitMs = 600_000;

/** Begins an attempt under a claim. `modelTimeoutMs` bounds each model call, including its reserve. */
export function beginAttempt(
  services: WorkerServices,
  job: ClaimedJob,
  options: { signal: AbortSignal; log: Logger; modelTimeoutMs: number },
): Attempt {
  const { signal, log } = options;
  const claimedAt = performance.now();
  const giveUpAtMs = claimedAt + Math.max(minStoreWaitMs, maxStoreWaitMs - job.ageMs);
  let owed: CallRecord | undefined;
  let kept: unknown;
  let steps: Map<string, unknown> | undefined;

  /**
   * A call is settled with the job's next write, so that the last call is settled in the transaction that ends the job.
   * The next call, and every effect visible outside the job, comes after the settlement.
   */
  async function settleOwed(): Promise<void> {
    if (owed === undefined) return;
    const call = owed;
    const { call: outcome } = await untilReachable(() => settle(services.billing, { call }), { log, giveUpAtMs });
    owed = undefined;
    if (outcome?.verdict === 'fenced_out') throw new LeaseLost();
  }

  async function storedStep(step: string): Promise<StepOutput | undefined> {
    // The first claim has no stored steps.
    if (job.fence === 1) return undefined;
    steps ??= await untilReachable(() => readSteps(services.db, job.jobId), { log, signal, giveUpAtMs });
    return steps.get(step) as StepOutput | undefined;
  }

  /** Serialises calls, since each call must be settled before the next one begins. */
  let calls: Promise<unknown> = Promise.resolve();
  function inTurn<T>(call: () => Promise<T>): Promise<T> {
    const answer = calls.then(call);
    calls = answer.catch(() => undefined);
    return answer;
  }

  const stepAttempt: StepAttempt = {
    services,
    job,
    signal,
    log,
    modelTimeoutMs: options.modelTimeoutMs,
    giveUpAtMs,
    ageMs: () => job.ageMs + (performance.now() - claimedAt),
    stored: storedStep,
    settleOwed,
    owe: (record) => {
      owed = record;
    },
  };

  return {
    signal,
    log,
    giveUpAtMs,
    keep: (result) => {
      kept = result;
    },
    kept: () => kept,
    llm: (step, request) =>
      inTurn(() => runStep(stepAttempt, step, request, request.wholeSentences ? wholeText : plainText)),
    llmJson: (step, request, format) => inTurn(() => runStep(stepAttempt, step, request, toJsonFormat(format))),
    async write(work) {
      await settleOwed();
      const done = await untilReachable(() => inFence(services.db, job, work), { log, signal, giveUpAtMs });
      if (done === undefined) throw new LeaseLost();
      return done.value;
    },
    async commit(move) {
      const settlement = { call: owed, move: { ...move, jobId: job.jobId, fence: job.fence } };
      const outcome = await untilReachable(() => settle(services.billing, settlement), {
        log,
        giveUpAtMs,
      });
      owed = undefined;
      return outcome.moved;
    },
    async abandon() {
      await settleOwed().catch((error: unknown) => {
        if (!(error instanceof LeaseLost)) throw error;
      });
    },
  };
}
