/** Runs a metered model call as a step of a job: replayed if it is paid for, otherwise reserved, made and recorded. */
import { refusalText, release, reserve, reserveExcess } from '@tally/billing';
import { idFrom, isAccessRefusal, type Logger, TallyError } from '@tally/core';
import { type CallRecord, raiseAlarm, readMalformedTokens } from '@tally/db';
import type { LlmRequest } from '@tally/tasks';
import { Cancelled, ProviderBusy, TokensHeld } from '../jobs/stops.ts';
import { untilReachable } from '../jobs/until-reachable.ts';
import { type ClaimedJob, holdLeaseMarginMs, maxUnbilledTokensADay, type WorkerServices } from '../services.ts';
import { ModelCallError, type ModelReply, schemaInstruction } from './client.ts';
import { escapeControlTokens } from './control-tokens.ts';
import { countInputTokens, countText, inputMarginTokens } from './count.ts';
import { toTallyError } from './outcomes.ts';
import { type Format, readStored, type StepOutput, toStepOutput, unfitText } from './output.ts';
import { readUsage, type Usage, unknownUsage } from './usage.ts';

/** What a step needs from its attempt. */
export type StepAttempt = {
  services: WorkerServices;
  job: ClaimedJob;
  signal: AbortSignal;
  log: Logger;
  modelTimeoutMs: number;
  /** See {@link untilReachable}. */
  giveUpAtMs: number;
  /** Milliseconds since the job was accepted. */
  ageMs(): number;
  /** The step's stored output, if an earlier attempt paid for it. */
  stored(step: string): Promise<StepOutput | undefined>;
  settleOwed(): Promise<void>;
  /** Leaves a call's record to be settled with the job's next write. */
  owe(record: CallRecord): void;
};

type OutputLimits = { min: number; max: number };

// How often, and for how long, an attempt is snoozed over an operator error that may concern this request alone.
const deniedWaits = 4;
const deniedWaitMs = 1_500;
// A cut-off answer is requested again at most twice, each time with a cap this many times as large.
const growth = 4;
const maxRepeats = 2;
const maxOutputTokens = 16_000;

/** Runs a step; an answer that is unusable because it was cut off is requested again as a step with a higher cap. */
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
      (await attempt.stored(name)) ?? (await (cutOffAt === undefined ? call() : explainingRefusal(call, cutOffAt)));
    if (!('cutOffAt' in output)) return readStored(output, format);
    cutOffAt = output.cutOffAt;
    const max = Math.min(maxOutputTokens, cutOffAt * growth);
    if (output.isEnd || repeats === maxRepeats || max <= cutOffAt)
      throw new TallyError('model_output_invalid', `The answer was cut off at ${cutOffAt} tokens`, { isFinal: true });
    limits = { min: Math.min(max, Math.ceil(cutOffAt * 1.5)), max };
  }
}

/** Adds to a refusal of tokens that they are needed for a longer answer. */
async function explainingRefusal<T>(call: () => Promise<T>, cutOffAt: number): Promise<T> {
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
  const messages = escapeControlTokens(request.messages);
  const schemaTokens =
    jsonSchema === undefined ? 0 : countText(`${schemaInstruction}\n${JSON.stringify(jsonSchema.jsonSchema)}`);
  const countedTokens = countInputTokens(messages) + schemaTokens;
  const inputTokens = services.traits.scale(job.accountId, countedTokens, messages);
  const overhead = inputTokens + inputMarginTokens(inputTokens);
  const timeoutMs = Math.min(job.task.queue.timeoutMs, attempt.modelTimeoutMs);
  // Ask before the reserve, so that a job that waits for the provider holds no tokens.
  const admission = await services.gate.admit(job);
  if (admission.outcome === 'wait') throw new ProviderBusy(admission);
  const reportUnused = () => services.gate.unused(job, admission.epoch);
  const { grant, startedAt } = await untilReachable(
    async () => {
      // The call's deadline counts from before the reserve, so that the call always ends before the hold's lease.
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
    await reportUnused();
    throw error;
  });
  if (grant.outcome !== 'granted' || signal.aborted) await reportUnused();
  if (grant.outcome === 'wait') throw new TokensHeld();
  if (grant.outcome === 'refused') {
    services.refusedAccounts.set(job.accountId, true);
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
    // The call may have been made: log it, and release its hold with the job's next write.
    const kind = error instanceof ModelCallError ? error.kind : 'malformed';
    // A cancelled call reports no usage, but the provider has processed its input.
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
    // Snooze first: later refusals show whether the operator is at fault. A request that stays refused fails its job.
    if (kind === 'operator' && job.waits < deniedWaits) throw new ProviderBusy({ why: 'paced', delayMs: deniedWaitMs });
    if (kind === 'rejected' || kind === 'operator') reportRejected(attempt, error);
    throw kind === 'aborted' ? signal.reason : toTallyError(error, inputTokens);
  }

  const usage = readUsage(reply.reportedUsage, inputTokens, reply.text);
  if (usage.refusedUsage !== undefined)
    log.warn({ step, hold_id: grant.holdId }, 'the provider’s usage was not believed');
  if (usage.evidence === 'reported') services.traits.observe(job.accountId, countedTokens, usage.inputTokens, messages);
  checkCap(attempt, { step, maxOutputTokens, outputTokens: usage.outputTokens });
  const stored = toStepOutput(reply, format, { maxOutputTokens, outputTokens: usage.outputTokens });
  // An unusable answer is not billed, up to a bound: the account's own input may be what makes the answers unusable.
  const output = stored ?? ((await isBeyondUnbilled(attempt, usage)) ? ({ unusable: true } as const) : undefined);
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

/** Reserves the tokens that an answer used above its hold. If that fails, the operator pays, and the answer is kept. */
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
    // The call has been made: its record must not be lost because of this read.
    log.warn({ err }, 'an account’s unbilled tokens could not be read');
    return 0;
  });
  return before + usage.inputTokens + usage.outputTokens > maxUnbilledTokensADay;
}

/** Raises an alarm if the server exceeded its cap, and sends the cap in both fields from then on. */
function checkCap(
  { services, log }: StepAttempt,
  call: { step: string; maxOutputTokens: number; outputTokens: number },
): void {
  // Providers count reasoning and stop tokens slightly differently.
  if (call.outputTokens <= call.maxOutputTokens * 1.1 + 16) return;
  const { name } = services.model;
  log.warn({ ...call, model: name }, 'the model’s server did not obey the cap on its output');
  const { traits } = services;
  if (traits.current().capField === 'max_completion_tokens' && traits.mayTryCap('both'))
    traits.learn({ capField: 'both' });
  const what = `${name}: the server gave ${call.outputTokens} tokens where ${call.maxOutputTokens} were allowed`;
  raise(services, 'cap_ignored', what);
}

function reportRejected({ services, log }: StepAttempt, error: ModelCallError): void {
  log.error({ err: error }, 'the model’s server does not take a request of ours');
  raise(services, 'model_request', `${services.model.name}: ${error.message}`);
}

function raise({ db, log, model }: WorkerServices, kind: 'cap_ignored' | 'model_request', what: string): void {
  raiseAlarm(db, { kind, subject: idFrom(`model ${model.name}`), what }).catch((err) =>
    log.warn({ err }, 'an alarm could not be raised'),
  );
}
