/** What the ledger in Postgres must say, computed the simplest way: the reference of the property test. */
import type { RunningJob } from './fixtures/ledger.ts';

export type Period = {
  subscriptionId: string;
  granted: number;
  consumed: number;
  /** Of what was granted, the part that moves over to the next period when it is not used; less what was taken back. */
  topUps: number;
  /** How often tokens were taken back. */
  takeBacks: number;
  /** What has moved over so far; undefined while the period is current. */
  carried: number | undefined;
  isCarriedOver: boolean;
};

/** One attempt at a model call, from its intent on. */
export type Call = {
  job: RunningJob;
  step: string;
  holdId: string;
  subscriptionId: string;
  wantTokens: number;
  minTokens: number;
  /** What had been granted to its period at its intent, and with which version. */
  seen: { tokensGranted: number; tokensConsumed: number; version: number };
  takeBacksSeen: number;
  at: 'intended' | 'refused' | 'running' | 'deleted' | 'settled' | 'over';
  /** What the reserve granted; 0 before that. */
  tokens: number;
  usedTokens: number;
  /** The hold for what it used above its own. */
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
  /** How far each hydration has come that was begun and is not over. */
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

  /** What settling a call must answer, for the first time. */
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

  /** What settling it once more must answer: the same, unless the job was taken over meanwhile. */
  settleAgain(call: Call): void {
    const billedTokens = call.verdict?.billedTokens ?? 0;
    call.verdict = { verdict: this.#verdict(call, billedTokens), billedTokens };
  }

  #verdict(call: Call, billedTokens: number): string {
    if (billedTokens > 0) return 'billed';
    return this.isOwned(call) ? 'unbilled' : 'fenced_out';
  }
}
