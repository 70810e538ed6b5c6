/** The reference of the property test: computes the expected ledger in Postgres in the simplest way. */
import type { RunningJob } from './fixtures/ledger.ts';

export type Period = {
  subscriptionId: string;
  granted: number;
  consumed: number;
  /** The part of the grants that carries over to the next period if unused, less what was taken back. */
  topUps: number;
  /** Number of take-backs. */
  takeBacks: number;
  /** Tokens carried over so far; undefined while the period is current. */
  carried: number | undefined;
  isCarriedOver: boolean;
};

/** One attempt at a model call, starting with its intent. */
export type Call = {
  job: RunningJob;
  step: string;
  holdId: string;
  subscriptionId: string;
  wantTokens: number;
  minTokens: number;
  /** Its period's balance and version at its intent. */
  seen: { tokensGranted: number; tokensConsumed: number; version: number };
  takeBacksSeen: number;
  at: 'intended' | 'refused' | 'running' | 'deleted' | 'settled' | 'over';
  /** Tokens granted by the reserve; 0 before that. */
  tokens: number;
  usedTokens: number;
  /** The hold for usage above the call's own hold. */
  excess?: Pick<Call, 'holdId' | 'subscriptionId' | 'wantTokens' | 'minTokens' | 'seen' | 'tokens'> & {
    at: 'intended' | 'held' | 'refused';
  };
  verdict?: { verdict: string; billedTokens: number };
};

export class Reference {
  readonly periods: Period[] = [];
  readonly jobs: RunningJob[];
  readonly calls: Call[] = [];
  /** The rows of token_holds. */
  readonly rows = new Map<string, { subscriptionId: string; tokens: number; isLapsed: boolean }>();
  readonly #paidSteps = new Set<string>();
  /** The progress of each hydration in flight. */
  readonly hydrations: ('begun' | 'read' | undefined)[] = [undefined, undefined];

  constructor(jobs: RunningJob[]) {
    this.jobs = jobs;
  }

  get current(): Period {
    return this.periods.at(-1) as Period;
  }

  period(subscriptionId: string): Period {
    return this.periods.find((period) => period.subscriptionId === subscriptionId) as Period;
  }

  callsAt(...places: Call['at'][]): Call[] {
    return this.calls.filter(({ at }) => places.includes(at));
  }

  heldTokens(subscriptionId: string): number {
    let tokens = 0;
    for (const row of this.rows.values()) if (row.subscriptionId === subscriptionId) tokens += row.tokens;
    return tokens;
  }

  startPeriod(subscriptionId: string, tokens: number): void {
    const old = this.periods.at(-1);
    let carried = 0;
    if (old) {
      const held = this.heldTokens(old.subscriptionId);
      carried = Math.max(0, Math.min(old.topUps, old.granted - old.consumed - held));
      old.carried = carried;
      old.isCarriedOver = held === 0;
    }
    const granted = tokens + carried;
    const fresh = { consumed: 0, topUps: carried, takeBacks: 0, carried: undefined, isCarriedOver: false };
    this.periods.push({ subscriptionId, granted, ...fresh });
  }

  carryOverRests(): void {
    for (const period of this.periods) {
      if (period.carried === undefined || period.isCarriedOver || this.heldTokens(period.subscriptionId) > 0) continue;
      const rest = Math.max(0, Math.min(period.topUps, period.granted - period.consumed) - period.carried);
      period.carried += rest;
      period.isCarriedOver = true;
      this.grant(rest);
    }
  }

  grant(tokens: number): void {
    this.current.granted += tokens;
    this.current.topUps += tokens;
  }

  takeBack(tokens: number): void {
    this.current.granted -= tokens;
    this.current.topUps -= tokens;
    this.current.takeBacks++;
  }

  isOwned({ job }: Call): boolean {
    return this.jobs.find(({ jobId }) => jobId === job.jobId)?.fence === job.fence;
  }

  /** The expected outcome of the first settlement of a call. */
  settle(call: Call, usedTokens: number): void {
    const step = `${call.job.jobId} ${call.step}`;
    const isPaid = this.#paidSteps.has(step);
    const isOwned = this.isOwned(call);
    const { excess } = call;
    const excessTokens = excess?.at === 'held' && this.rows.has(excess.holdId) ? excess.tokens : 0;
    const mayBill = isOwned && !isPaid && this.rows.has(call.holdId);
    const billedTokens = mayBill ? Math.min(usedTokens, call.tokens + excessTokens) : 0;
    if (isOwned) this.#paidSteps.add(step);
    this.rows.delete(call.holdId);
    if (excess?.at === 'held') this.rows.delete(excess.holdId);
    this.period(call.subscriptionId).consumed += billedTokens;
    call.usedTokens = usedTokens;
    call.at = 'settled';
    call.verdict = { verdict: this.#verdict(call, billedTokens), billedTokens };
  }

  /** The expected outcome of repeating it: the same, unless the job was taken over in the meantime. */
  settleAgain(call: Call): void {
    const billedTokens = call.verdict?.billedTokens ?? 0;
    call.verdict = { verdict: this.#verdict(call, billedTokens), billedTokens };
  }

  #verdict(call: Call, billedTokens: number): string {
    if (billedTokens > 0) return 'billed';
    return this.isOwned(call) ? 'unbilled' : 'fenced_out';
  }
}
