/** A metered call to the model, as a step of a job: replayed where it is paid for, else reserved, made and recorded. */
import { refusalText, release, reserve, reserveExcess } from '@tally/billing';
import { idFrom, isAccessRefusal, type Logger, TallyError } from '@tally/core';
import { type CallRecord, raiseAlarm, readMalformedTokens } from '@tally/db';
import type { LlmRequest } from '@tally/tasks';
import { Cancelled, ProviderBusy, TokensHeld } from '../jobs/stops.ts';
import { untilReachable } from '../jobs/until-reachable.ts';
import { type ClaimedJob, holdLeaseMarginMs, maxUnbilledTokensADay, type WorkerServices } from '../services.ts';
import { ModelCallError, type ModelReply, schemaInstruction } from './client.ts';
import { withoutControlTokens } from './control-tokens.ts';
import { countInputTokens, countText, inputMarginTokens } from './count.ts';
import { toTallyError } from './outcomes.ts';
import { type Format, readStored, type StepOutput, toStepOutput, unfitText } from './output.ts';
import { readUsage, type Usage, unknownUsage } from './usage.ts';

/** What a step has of its attempt. */
export type StepAttempt = {
  services: WorkerServices;
  job: ClaimedJob;
  signal: AbortSignal;
  log: Logger;
  modelTimeoutMs: number;
  /** See {@link untilReachable}. */
  giveUpAtMs: number;
  /** How long ago the job was accepted. */
  ageMs(): number;
  /** What the step gave before, where it is paid for. */
  stored(step: string): Promise<StepOutput | undefined>;
  settleOwed(): Promise<void>;
  /** Leaves a call's record to be settled with the job's next write. */
  owe(record: CallRecord): void;
};

type OutputLimits = { min: number; max: number };

// How often an attempt is given back over a refusal that others do not meet, and for how long.
const deniedWaits = 4;
const deniedWaitMs = 1_500;
// An answer that was cut off is asked for again with this much more room, twice.
const growth = 4;
const maxRepeats = 2;
const maxOutputTokens = 16_000;

/** Runs a step; an answer that was cut off and is of no use so is asked for again, as another step with more room. */
export async function runStep<T>(
  attempt: StepAttempt,
  step: string,
  request: LlmRequest,
  format: Format<T>,
): Promise<T> {
  let limits = request.outputTokens ?? attempt.job.task.outputTokens;
  let cutOffAt: number | undefined;
  for (let repeats = 0; ; repeats++) {
    const name = repeats === 0 ? step : `${step}~${repeats + 1}`;
    await attempt.settleOwed();
    const call = () => callModel(attempt, name, request, limits, format);
    const output =
      (await attempt.stored(name)) ?? (await (cutOffAt === undefined ? call() : sayingWhy(call, cutOffAt)));
    if (!('cutOffAt' in output)) return readStored(output, format);
    cutOffAt = output.cutOffAt;
    const max = Math.min(maxOutputTokens, cutOffAt * growth);
    if (output.isEnd || repeats === maxRepeats || max <= cutOffAt)
      throw new TallyError('model_output_invalid', `The answer was cut off at ${cutOffAt} tokens`, { isFinal: true });
    limits = { min: Math.min(max, Math.ceil(cutOffAt * 1.5)), max };
  }
}

/** Who can't pay for more room reads that this is what the tokens are needed for. */
async function sayingWhy<T>(call: () => Promise<T>, cutOffAt: number): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof TallyError) || !isAccessRefusal(error.code)) throw error;
    throw new TallyError(error.code, `The answer was cut off at ${cutOffAt} tokens. A longer one: ${error.message}`);
  }
}

async function callModel<T>(
  attempt: StepAttempt,
  step: string,
  request: LlmRequest,
  limits: OutputLimits,
  format: Format<T>,
): Promise<StepOutput> {
  const { services, job, log, signal, giveUpAtMs } = attempt;
  const { jsonSchema } = format;
  const messages = withoutControlTokens(request.messages);
  const schemaTokens =
    jsonSchema === undefined ? 0 : countText(`${schemaInstruction}\n${JSON.stringify(jsonSchema.jsonSchema)}`);
  const countedTokens = countInputTokens(messages) + schemaTokens;
  const inputTokens = services.traits.scale(job.accountId, countedTokens, messages);
  const overhead = inputTokens + inputMarginTokens(inputTokens);
  const timeoutMs = Math.min(job.task.queue.timeoutMs, attempt.modelTimeoutMs);
  // Before the reserve: who waits for the provider holds no tokens.
  const admission = await services.gate.admit(job);
  if (admission.outcome === 'wait') throw new ProviderBusy(admission);
  const notMade = () => services.gate.unused(job, admission.epoch);
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
        ageMs: attempt.ageMs(),
      });
      return { grant, startedAt };
    },
    { log, signal, giveUpAtMs },
  ).catch(async (error) => {
    await notMade();
    throw error;
  });
  if (grant.outcome !== 'granted' || signal.aborted) await notMade();
  if (grant.outcome === 'wait') throw new TokensHeld();
  if (grant.outcome === 'refused') {
    services.refused.set(job.accountId, true);
    const tokens = { neededTokens: overhead + limits.min, remainingTokens: grant.remainingTokens ?? 0 };
    throw new TallyError(grant.reason, refusalText(grant.reason, tokens));
  }
  if (signal.aborted) {
    await untilReachable(() => release(services.billing, grant), { log, giveUpAtMs });
    throw signal.reason;
  }

  const record = (usage: Usage, rest: Pick<CallRecord, 'billable' | 'outcome'> & Partial<CallRecord>): CallRecord => ({
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
  const maxOutputTokens = Math.min(limits.max, grant.tokens - overhead);

  let reply: ModelReply;
  try {
    reply = await services.model.complete({
      holdId: grant.holdId,
      accountId: job.accountId,
      messages,
      maxOutputTokens,
      format: jsonSchema,
      timeoutMs: Math.max(1, Math.floor(timeoutMs - (performance.now() - startedAt))),
      signal,
    });
  } catch (error) {
    // Whatever it was, the call may have been made: it is in the log, and its hold goes with the job's next write.
    const kind = error instanceof ModelCallError ? error.kind : 'malformed';
    // A cancelled call reports no usage; it has read its input.
    const isCancelled = kind === 'aborted' && signal.reason instanceof Cancelled;
    attempt.owe(
      record(isCancelled ? { ...unknownUsage, inputTokens, evidence: 'estimated' } : unknownUsage, {
        billable: isCancelled,
        outcome: isCancelled ? 'cancelled' : kind,
        providerRequestId: error instanceof ModelCallError ? error.requestId : undefined,
      }),
    );
    if (!(error instanceof ModelCallError)) throw error;
    const wait = await services.gate.failed(job, admission.epoch, error);
    if (wait !== undefined && kind !== 'aborted') throw new ProviderBusy(wait);
    // It may be the operator's trouble, and the next refusals tell; a request that is refused again and again is the job's.
    if (kind === 'operator' && job.waits < deniedWaits) throw new ProviderBusy({ why: 'paced', delayMs: deniedWaitMs });
    if (kind === 'rejected' || kind === 'operator') tellRejected(attempt, error);
    throw kind === 'aborted' ? signal.reason : toTallyError(error, inputTokens);
  }

  const usage = readUsage(reply.reportedUsage, inputTokens, reply.text);
  if (usage.refusedUsage !== undefined)
    log.warn({ step, hold_id: grant.holdId }, 'the provider’s usage was not believed');
  if (usage.evidence === 'reported') services.traits.observe(job.accountId, countedTokens, usage.inputTokens, messages);
  watchCap(attempt, { step, maxOutputTokens, outputTokens: usage.outputTokens });
  const given = toStepOutput(reply, format, { maxOutputTokens, outputTokens: usage.outputTokens });
  // Without an answer the account pays nothing, up to a bound: what makes a model answer nonsense may be its own doing.
  const output = given ?? ((await isBeyondUnbilled(attempt, usage)) ? ({ unusable: true } as const) : undefined);
  const billable = output !== undefined;
  const leaseMs = Math.round(timeoutMs + holdLeaseMarginMs - (performance.now() - startedAt));
  const excess = billable ? await holdExcess(attempt, step, { ...grant, leaseMs }, usage) : undefined;
  attempt.owe(
    record(usage, {
      billable,
      excess,
      outcome: outcomeOf(output),
      output,
      providerRequestId: reply.requestId,
    }),
  );
  await services.gate.answered(job, admission.epoch);
  if (output !== undefined) return output;
  if (reply.text === null) throw new TallyError('model_unavailable', 'The model sent no usable answer');
  throw new TallyError('model_output_invalid', unfitText);
}

function outcomeOf(output: StepOutput | undefined): string {
  if (output === undefined || 'unusable' in output) return 'malformed';
  if ('refused' in output) return 'refused';
  return 'cutOffAt' in output || output.cutOff ? 'cut_off' : 'answered';
}

/** Holds what an answer used above its hold. Where nothing can be held the operator pays: the answer is there. */
async function holdExcess(
  { services, job, log }: StepAttempt,
  step: string,
  grant: { holdId: string; subscriptionId: string; tokens: number; leaseMs: number },
  usage: Usage,
): Promise<CallRecord['excess']> {
  const tokens = usage.inputTokens + usage.outputTokens - grant.tokens;
  if (tokens <= 0) return undefined;
  const { accountId, jobId, fence } = job;
  const { leaseMs, subscriptionId, holdId } = grant;
  const request = { accountId, jobId, step, fence, leaseMs, tokens, subscriptionId };
  const excess = await reserveExcess(services.billing, request).catch((err: unknown) => {
    log.warn({ err, step, hold_id: holdId }, 'usage above the hold could not be reserved');
    return undefined;
  });
  const unpaidTokens = tokens - (excess?.tokens ?? 0);
  log.warn({ step, hold_id: holdId, excess_tokens: tokens, unpaid_tokens: unpaidTokens }, 'usage above the hold');
  return excess;
}

async function isBeyondUnbilled({ services, job, log, giveUpAtMs }: StepAttempt, usage: Usage): Promise<boolean> {
  const read = () => readMalformedTokens(services.db, job.accountId);
  const before = await untilReachable(read, { log, giveUpAtMs }).catch((err: unknown) => {
    // The call has been made, and its record must not be lost for this.
    log.warn({ err }, 'an account’s unbilled tokens could not be read');
    return 0;
  });
  return before + usage.inputTokens + usage.outputTokens > maxUnbilledTokensADay;
}

/** A server that disregards its cap is told of, and asked in the other field from now on. */
function watchCap(
  { services, log }: StepAttempt,
  call: { step: string; maxOutputTokens: number; outputTokens: number },
): void {
  // Reasoning, and how a model ends, are counted a little differently here and there.
  if (call.outputTokens <= call.maxOutputTokens * 1.1 + 16) return;
  const { name } = services.model;
  log.warn({ ...call, model: name }, 'the model’s server did not obey the cap on its output');
  const { traits } = services;
  if (traits.current().capField === 'max_completion_tokens' && traits.mayTryCap('both'))
    traits.learn({ capField: 'both' });
  const what = `${name}: the server gave ${call.outputTokens} tokens where ${call.maxOutputTokens} were allowed`;
  raise(services, 'cap_ignored', what);
}

function tellRejected({ services, log }: StepAttempt, error: ModelCallError): void {
  log.error({ err: error }, 'the model’s server does not take a request of ours');
  raise(services, 'model_request', `${services.model.name}: ${error.message}`);
}

function raise({ db, log, model }: WorkerServices, kind: 'cap_ignored' | 'model_request', what: string): void {
  raiseAlarm(db, { kind, subject: idFrom(`model ${model.name}`), what }).catch((err) =>
    log.warn({ err }, 'an alarm could not be raised'),
  );
}
