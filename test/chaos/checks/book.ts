/** Compares billed tokens with the sandbox's own record of model calls (its book), per call and token class. */
import type { BookEntry } from '../sandbox.ts';
import type { World } from '../world.ts';

/** A call that the operator pays for and no tenant does: never logged (`lost`), or logged with 0 billed tokens. */
export type ExtraCall = { at: number; fault: string | null; tokens: number; why: 'lost' | 'unbilled' };

/** In tokens: `answered` = `billed` + `unbilled` + `lost` + `beyondHold` + `misestimated`. */
export type BookSums = {
  calls: number;
  answered: number;
  billed: number;
  unbilled: number;
  /** Calls whose worker died before it logged them. */
  lost: number;
  /** Usage above the hold that the account had no free tokens for. */
  beyondHold: number;
  /** Calls with missing or invalid reported usage: the model's own count minus Tally's estimate. */
  misestimated: number;
  /** The billed input of calls that were cancelled before their answer. */
  cancelled: number;
};

type LogRow = {
  id: string;
  job_id: string;
  account_id: string;
  input_tokens: number;
  cached_input_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
  total_tokens: number;
  billed_tokens: number;
  evidence: 'reported' | 'estimated' | 'unknown';
  outcome: string;
  job_status: string | null;
  created_at: Date;
};

/** Token classes: column of the usage log, field of the book. */
const classes = [
  ['input_tokens', 'prompt_tokens'],
  ['cached_input_tokens', 'cached_tokens'],
  ['output_tokens', 'completion_tokens'],
  ['reasoning_tokens', 'reasoning_tokens'],
  ['total_tokens', 'total_tokens'],
] as const;

/** Matches log rows and book entries in both directions; returns the sums and the calls that no tenant paid. */
export async function checkBook(world: World): Promise<{ sums: BookSums; extraCalls: ExtraCall[] }> {
  const { rows } = await world.system.billing.db.pool.query<LogRow>(
    `select u.id, u.job_id, u.account_id, u.input_tokens, u.cached_input_tokens, u.output_tokens, u.reasoning_tokens,
       u.total_tokens, u.billed_tokens, u.evidence, u.outcome, u.created_at, j.status as job_status
     from ai_usage_log u left join jobs j on j.id = u.job_id where u.task <> 'adjustment'`,
  );
  const book = await world.sandbox.book();
  const entryOf = new Map(book.map((entry) => [entry.key, entry]));
  const rowOf = new Map(rows.map((row) => [row.id, row]));
  for (const row of rows) checkRow(world, row, entryOf.get(row.id));
  const cancelled = rows.filter(
    ({ id, outcome }) => outcome === 'cancelled' && entryOf.get(id)?.outcome !== 'answered',
  );
  const sums = { calls: 0, answered: 0, billed: 0, unbilled: 0, lost: 0, beyondHold: 0, misestimated: 0, cancelled: 0 };
  const extraCalls: ExtraCall[] = [];
  for (const entry of book.filter(({ outcome }) => outcome === 'answered')) {
    const row = rowOf.get(entry.key ?? '');
    // The time of the answer: a call can only be lost after it.
    const at = Date.parse(entry.at) + (entry.duration_ms ?? 0);
    const tokens = entry.total_tokens;
    sums.calls++;
    sums.answered += tokens;
    if (row === undefined) {
      sums.lost += tokens;
      extraCalls.push({ at, fault: entry.fault, tokens, why: 'lost' });
      checkLost(world, entry, at);
    } else if (row.billed_tokens === 0) {
      sums.unbilled += tokens;
      extraCalls.push({ at, fault: entry.fault, tokens, why: 'unbilled' });
    } else {
      sums.billed += row.billed_tokens;
      sums[row.evidence === 'reported' ? 'beyondHold' : 'misestimated'] += tokens - row.billed_tokens;
    }
  }
  sums.cancelled = sumOf(cancelled);
  if (sumOf(rows) !== sums.billed + sums.cancelled)
    world.journal.addViolation(
      'book',
      `${sumOf(rows)} tokens billed, but by the book ${sums.billed} answered and ${sums.cancelled} cancelled`,
    );
  return { sums, extraCalls };
}

const sumOf = (rows: LogRow[]): number => rows.reduce((sum, row) => sum + row.billed_tokens, 0);

/** A row with reported usage must match the book entry of its call; any other row bills Tally's estimate, or 0. */
function checkRow(world: World, row: LogRow, entry: BookEntry | undefined): void {
  const { journal } = world;
  const at = row.created_at.getTime();
  const what = `call ${row.id} of job ${row.job_id}`;
  if (row.evidence === 'unknown' && row.billed_tokens > 0)
    journal.addViolation('book', `${what} is billed without any evidence`, at);
  if (row.outcome === 'cancelled') {
    if (row.job_status !== 'cancelled')
      journal.addViolation('book', `${what} is billed as cancelled, but its job is ${row.job_status}`, at);
    return;
  }
  if (row.evidence !== 'reported') {
    const isNonsense = entry?.fault === 'no_usage' || entry?.fault === 'absurd_usage';
    if (row.evidence === 'estimated' && entry?.outcome === 'answered' && !isNonsense)
      journal.addViolation('book', `${what} is estimated, although the model reported its usage (${entry?.fault})`, at);
    return;
  }
  if (entry === undefined) journal.addViolation('book', `${what} is not in the model’s book`, at);
  else if (entry.outcome !== 'answered')
    journal.addViolation('book', `${what} has the usage of an answer, but the book says ${entry.outcome}`, at);
  else {
    for (const [ours, theirs] of classes)
      if (row[ours] !== entry[theirs])
        journal.addViolation('book', `${what} has ${row[ours]} ${ours}, but ${entry[theirs]} by the book`, at);
    const most = row.total_tokens;
    const least = minBilled(world, row, entry);
    if (row.billed_tokens !== 0 && (row.billed_tokens < least || row.billed_tokens > most))
      journal.addViolation('book', `${what} is billed ${row.billed_tokens} tokens, not ${least} to ${most}`, at);
  }
}

/**
 * The least that a call may bill, in tokens: its whole usage or, where the model exceeded its limit, the call's hold.
 * The hold row of an account short of tokens states the requested tokens, not the smaller amount it got: use the input.
 */
function minBilled({ journal, tenants }: World, row: LogRow, { fault }: BookEntry): number {
  if (fault !== 'over_limit') return row.total_tokens;
  const isShort = [tenants.poor, tenants.short].some(({ accountId }) => accountId === row.account_id);
  const held = isShort ? row.input_tokens : (journal.holds.get(row.id)?.tokens ?? 0);
  return Math.min(row.total_tokens, held);
}

/** An answered call may be missing from the log only if its job was running when a worker was killed. */
function checkLost({ journal }: World, entry: BookEntry, at: number): void {
  const job = journal.holds.get(entry.key ?? '')?.jobId;
  if (job === undefined)
    journal.addViolation('book', `call ${entry.key} was answered, but its hold was never seen`, at);
  else if (!journal.jobsAtKill.has(job))
    journal.addViolation(
      'book',
      `call ${entry.key} of job ${job} was answered and is not logged, but no worker died during it`,
      at,
    );
}
