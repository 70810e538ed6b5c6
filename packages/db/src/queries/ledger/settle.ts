/** Settling model calls and moving jobs on: one grouped round trip over the SQL function settle(). */
import { storableStrings } from '@tally/core';
import type { Database } from '../../connect.ts';
import type { RowOf } from '../../schema/columns.ts';
import type { aiUsageLog, JobStatus, jobSteps, subscriptionBalances } from '../../schema/index.ts';
import { type Snapshot, toSnapshot } from './holds.ts';

type Usage = typeof aiUsageLog.$inferSelect;
export type Evidence = Usage['evidence'];

/** One model call that was sent, as it is logged. Token counts are non-negative integers. */
export type CallRecord = Omit<
  Usage,
  'id' | 'createdAt' | 'reason' | 'billedTokens' | 'refusedUsage' | 'providerRequestId'
> & {
  holdId: string;
  /** What the reserve granted: no more than this and `excess` is billed. */
  holdTokens: number;
  /** The second hold of a call that used more, for as much of the difference as was free. */
  excess?: { holdId: string; tokens: number } | undefined;
  /** False where the tenant must not pay: the call failed, or its answer was unusable. */
  billable: boolean;
  /** The step's output, stored for replay until the job is completed; undefined where it has none. */
  output?: unknown;
  refusedUsage?: unknown;
  providerRequestId?: string | undefined;
};

/** A job's next state after `running`, under its fence. */
export type Move = {
  jobId: string;
  fence: number;
  status: Exclude<JobStatus, 'running'>;
  result?: unknown;
  error?: string;
  errorCode?: string;
  /** For `queued`: delay before the next claim. */
  delayMs?: number;
  /** For `queued`: the attempt is not counted. */
  snooze?: boolean;
  /** For `queued`: shown to clients. */
  progress?: 'waiting_for_provider';
};

export type Settlement = { call?: CallRecord | undefined; move?: Move | undefined };

export type SettleOutcome = {
  call:
    | {
        verdict: 'billed' | 'unbilled' | 'fenced_out';
        billedTokens: number;
        snapshot: Snapshot;
        subscriptionId: string;
      }
    | undefined;
  /** False where the job was not running under that fence, or an earlier try of this settlement had moved it. */
  moved: boolean;
};

type Row = RowOf<typeof subscriptionBalances> & {
  kind: 'call' | 'move';
  id: string;
  verdict: 'billed' | 'unbilled' | 'fenced_out' | 'moved';
  billed_tokens: number;
};

/** Settles each entry's call and makes its move, all entries or none; one outcome each, in order. */
export async function settle(db: Database, settlements: Settlement[]): Promise<SettleOutcome[]> {
  const calls = settlements.flatMap(({ call, move }) => (call === undefined ? [] : [toCallJson(call, move)]));
  const moves = settlements.flatMap(({ move }) => (move === undefined ? [] : [toMoveJson(move)]));
  const { rows } = await db.hot.query<Row>({
    name: 'settle',
    text: 'select * from settle($1::jsonb, $2::jsonb)',
    values: [toJson(calls), toJson(moves)],
  });
  const byId = new Map(rows.map((row) => [`${row.kind} ${row.id}`, row]));
  // Of several attempts of one job in a batch, only the latest can have moved it.
  const latest = new Map<string, number>();
  for (const { job_id, fence } of moves) latest.set(job_id, Math.max(fence, latest.get(job_id) ?? 0));
  return settlements.map(({ call, move }) => {
    const row = call === undefined ? undefined : byId.get(`call ${call.holdId}`);
    return {
      call:
        row === undefined || row.verdict === 'moved'
          ? undefined
          : {
              verdict: row.verdict,
              billedTokens: row.billed_tokens,
              subscriptionId: row.subscription_id,
              snapshot: toSnapshot(row),
            },
      moved: move !== undefined && byId.has(`move ${move.jobId}`) && latest.get(move.jobId) === move.fence,
    };
  });
}

// jsonb accepts neither NUL nor lone surrogates. A model's answer may contain both, and is billed all the same.
const refusedByJsonb = /\\u(?:0000|d[89a-f])/;

function toJson(value: object): string {
  const json = JSON.stringify(value);
  return refusedByJsonb.test(json) ? JSON.stringify(value, storableStrings) : json;
}

function toCallJson(call: CallRecord, move: Move | undefined): object {
  return {
    hold_id: call.holdId,
    account_id: call.accountId,
    subscription_id: call.subscriptionId,
    job_id: call.jobId,
    step: call.step,
    fence: call.fence,
    task: call.task,
    model: call.model,
    input_tokens: call.inputTokens,
    cached_input_tokens: call.cachedInputTokens,
    output_tokens: call.outputTokens,
    reasoning_tokens: call.reasoningTokens,
    total_tokens: call.totalTokens,
    hold_tokens: call.holdTokens,
    excess_hold_id: call.excess?.holdId ?? null,
    excess_tokens: call.excess?.tokens ?? 0,
    billable: call.billable,
    // A job that completes in the same statement never replays its steps.
    keep_output: move?.status !== 'completed',
    output: move?.status === 'completed' ? null : (call.output ?? null),
    evidence: call.evidence,
    outcome: call.outcome,
    refused_usage: call.refusedUsage ?? null,
    provider_request_id: call.providerRequestId ?? null,
    latency_ms: call.latencyMs,
  };
}

function toMoveJson(move: Move) {
  return {
    job_id: move.jobId,
    fence: move.fence,
    status: move.status,
    result: move.result ?? null,
    error: move.error ?? null,
    error_code: move.errorCode ?? null,
    delay_ms: move.delayMs ?? 0,
    give_back: move.snooze ?? false,
    progress: move.progress ?? null,
  };
}

/** The stored outputs of a job's steps, by step name. */
export async function readSteps(db: Database, jobId: string): Promise<Map<string, unknown>> {
  const { rows } = await db.hot.query<Pick<RowOf<typeof jobSteps>, 'step' | 'output'>>({
    name: 'read_steps',
    text: 'select step, output from job_steps where job_id = $1',
    values: [jobId],
  });
  return new Map(rows.map((row) => [row.step, row.output]));
}
