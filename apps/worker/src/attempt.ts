/** One attempt at a job: its metered calls, and the writes that it makes under its fence. */
import { refusalMessages, release, reserve, settle } from '@tally/billing';
import { type Logger, TallyError } from '@tally/core';
import { type CallRecord, type Claim, inFence, type Move, readSteps, type Transaction } from '@tally/db';
import type { AnswerFormat, AnyTask, LlmAnswer, LlmRequest } from '@tally/tasks';
import { z } from 'zod';
import { withoutControlTokens } from './control-tokens.ts';
import { ModelCallError, type ModelReply } from './model-client.ts';
import { untilReachable } from './outages.ts';
import { holdLeaseMarginMs, type WorkerServices } from './services.ts';
import { Cancelled, FencedOut, TokensHeld } from './stops.ts';
import { countInputTokens, countText, inputMarginTokens, readUsage, type Usage, unknownUsage } from './usage.ts';

export type ClaimedJob = Extract<Claim, { verdict: 'claimed' }> & { jobId: string; task: AnyTask };

export type Attempt = {
  /** A metered call, as {@link TaskContext.llm} describes it. */
  llm(step: string, request: LlmRequest): Promise<LlmAnswer>;
  llmJson<T>(step: string, request: LlmRequest, format: AnswerFormat<T>): Promise<T>;
  /**
   * Runs a transaction under the job's fence, once everything owed is settled. It is repeated after an unknown outcome,
   * so it must be safe to repeat. @throws FencedOut where the job is no longer ours
   */
  write<T>(work: (client: Transaction) => Promise<T>): Promise<T>;
  signal: AbortSignal;
  log: Logger;
  /** See {@link untilReachable}. */
  giveUpAtMs: number;
  /** Settles what is owed and makes the job's move, in one transaction. False where the job is no longer ours. */
  commit(move: Omit<Move, 'jobId' | 'fence'>): Promise<boolean>;
};

// A job ends within 24 hours, also one that a store refuses for a fault of ours; its last attempts get some minutes each.
const longestStoreWaitMs = 23 * 3_600_000;
const leastStoreWaitMs = 600_000;

/** What a paid step gave, as it is stored for replay. */
type StepOutput = { text: string; cutOff: boolean } | { refused: true };

/** Begins an attempt under a claim. `modelTimeoutMs` bounds each model call, its reserve included. */
export function beginAttempt(
  services: WorkerServices,
  job: ClaimedJob,
  options: { signal: AbortSignal; log: Logger; modelTimeoutMs: number },
): Attempt {
  const { signal, log } = options;
  const claimedAt = performance.now();
  const giveUpAtMs = claimedAt + Math.max(leastStoreWaitMs, longestStoreWaitMs - job.ageMs);
  let owed: CallRecord | undefined;
  let steps: Map<string, unknown> | undefined;

  /**
   * A call's settlement waits for the job's next write, so that the last one travels with the job's end. Nothing leaves
   * the job before it: the next call, and everything that others can see, comes after.
   */
  async function settleOwed(): Promise<void> {
    if (owed === undefined) return;
    const call = owed;
    const { call: outcome } = await untilReachable(() => settle(services.billing, { call }), { log, giveUpAtMs });
    owed = undefined;
    if (outcome?.verdict === 'fenced_out') throw new FencedOut();
  }

  async function storedStep(step: string): Promise<StepOutput | undefined> {
    // A first claim can't have anything stored.
    if (job.fence === 1) return undefined;
    steps ??= await untilReachable(() => readSteps(services.db, job.jobId), { log, signal, giveUpAtMs });
    return steps.get(step) as StepOutput | undefined;
  }

  /** One call at a time: what a call owes is settled before the next one begins. */
  let calls: Promise<unknown> = Promise.resolve();
  function inTurn<T>(call: () => Promise<T>): Promise<T> {
    const answer = calls.then(call);
    calls = answer.catch(() => undefined);
    return answer;
  }

  async function callModel<T>(step: string, request: LlmRequest, format: Format<T>): Promise<T> {
    await settleOwed();
    const stored = await storedStep(step);
    if (stored !== undefined) return readStored(stored, format);
    const { jsonSchema } = format;
    const messages = withoutControlTokens(request.messages);
    const schemaTokens = jsonSchema === undefined ? 0 : countText(JSON.stringify(jsonSchema.jsonSchema));
    const inputTokens = countInputTokens(messages) + schemaTokens;
    const overhead = inputTokens + inputMarginTokens(inputTokens);
    const limits = request.outputTokens ?? job.task.outputTokens;
    const timeoutMs = Math.min(job.task.queue.timeoutMs, options.modelTimeoutMs);
    const { grant, startedAt } = await untilReachable(
      async () => {
        // The call's deadline counts from before the intent, so that it always ends before the hold's lease does.
        const startedAt = performance.now();
        const grant = await reserve(services.billing, {
          accountId: job.accountId,
          jobId: job.jobId,
          step,
          fence: job.fence,
          wantTokens: overhead + limits.max,
          minTokens: overhead + limits.min,
          leaseMs: timeoutMs + holdLeaseMarginMs,
          ageMs: job.ageMs + (startedAt - claimedAt),
        });
        return { grant, startedAt };
      },
      { log, signal, giveUpAtMs },
    );
    if (grant.outcome === 'wait') throw new TokensHeld();
    if (grant.outcome === 'refused') throw new TallyError(grant.reason, refusalMessages[grant.reason]);
    if (signal.aborted) {
      await untilReachable(() => release(services.billing, grant), { log, giveUpAtMs });
      throw signal.reason;
    }

    const record = (
      usage: Usage,
      rest: Pick<CallRecord, 'billable' | 'outcome'> & Partial<CallRecord>,
    ): CallRecord => ({
      holdId: grant.holdId,
      accountId: job.accountId,
      subscriptionId: grant.subscriptionId,
      jobId: job.jobId,
      step,
      fence: job.fence,
      task: job.task.name,
      model: services.model.name,
      ...usage,
      totalTokens: usage.inputTokens + usage.outputTokens,
      holdTokens: grant.tokens,
      latencyMs: Math.round(performance.now() - startedAt),
      ...rest,
    });

    let reply: ModelReply;
    try {
      reply = await services.model.complete({
        holdId: grant.holdId,
        accountId: job.accountId,
        messages,
        maxOutputTokens: Math.min(limits.max, grant.tokens - overhead),
        format: jsonSchema,
        timeoutMs: Math.max(1, Math.floor(timeoutMs - (performance.now() - startedAt))),
        signal,
      });
    } catch (error) {
      if (!(error instanceof ModelCallError)) throw error;
      // What a cancelled call used nobody reports; it read its input.
      const isCancelled = error.kind === 'aborted' && signal.reason instanceof Cancelled;
      owed = record(isCancelled ? { ...unknownUsage, inputTokens, evidence: 'estimated' } : unknownUsage, {
        billable: isCancelled,
        outcome: isCancelled ? 'cancelled' : error.kind,
        providerRequestId: error.requestId,
      });
      throw error.kind === 'aborted' ? signal.reason : toTallyError(error);
    }
    const usage = readUsage(reply.reportedUsage, inputTokens, reply.text);
    if (usage.refusedUsage !== undefined)
      log.warn({ step, hold_id: grant.holdId }, 'the provider’s usage was not believed');
    const output = toStepOutput(reply);
    const value = output === undefined || 'refused' in output ? undefined : format.read(output);
    const isUsable = output !== undefined && ('refused' in output || value !== undefined);
    owed = record(usage, {
      billable: isUsable,
      outcome: !isUsable ? 'malformed' : reply.refusal ? 'refused' : reply.cutOff ? 'cut_off' : 'answered',
      output: isUsable ? output : undefined,
      providerRequestId: reply.requestId,
    });
    if (output === undefined) throw new TallyError('model_unavailable', 'The model sent no usable answer');
    return readStored(output, format);
  }

  return {
    signal,
    log,
    giveUpAtMs,
    llm: (step, request) => inTurn(() => callModel(step, request, plainText)),
    llmJson: (step, request, format) => inTurn(() => callModel(step, request, toJsonFormat(format))),
    async write(work) {
      await settleOwed();
      const done = await untilReachable(() => inFence(services.db, job, work), { log, signal, giveUpAtMs });
      if (done === undefined) throw new FencedOut();
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
  };
}

/** How an answer is asked for and read; `read` gives undefined for one that doesn't fit. */
type Format<T> = {
  jsonSchema?: { name: string; jsonSchema: Record<string, unknown> };
  read(answer: LlmAnswer): T | undefined;
};

// Silence is no answer: nobody could be sent it, and nobody shall pay for it.
const plainText: Format<LlmAnswer> = { read: (answer) => (answer.text.trim() === '' ? undefined : answer) };

function toJsonFormat<T>({ name, schema }: AnswerFormat<T>): Format<T> {
  const { $schema: _, ...jsonSchema } = z.toJSONSchema(schema);
  return {
    jsonSchema: { name, jsonSchema },
    read: ({ text }) => {
      try {
        return schema.safeParse(JSON.parse(text, storable)).data;
      } catch {
        return undefined;
      }
    },
  };
}

function toStepOutput(reply: ModelReply): StepOutput | undefined {
  if (reply.refusal) return { refused: true };
  return reply.text === null ? undefined : { text: storable('', reply.text) as string, cutOff: reply.cutOff };
}

/** Postgres keeps neither NUL nor half a surrogate pair; an answer that has them is paid for, and used without. */
const storable = (_key: string, value: unknown): unknown =>
  typeof value === 'string' ? value.replaceAll('\0', '').toWellFormed() : value;

function readStored<T>(output: StepOutput, format: Format<T>): T {
  if ('refused' in output) throw new TallyError('model_refused', 'The model refused to answer');
  const value = format.read(output);
  if (value === undefined)
    throw new TallyError('model_output_invalid', 'The model’s answer does not fit what was asked');
  return value;
}

function toTallyError(error: ModelCallError): TallyError {
  switch (error.kind) {
    case 'timeout':
      return new TallyError('timeout', 'The model did not answer in time', { cause: error });
    case 'rejected':
      return new TallyError('internal', 'The model rejected the request', { cause: error });
    default:
      return new TallyError('model_unavailable', 'The model is not available', {
        cause: error,
        retryAfterMs: error.retryAfterMs,
      });
  }
}
