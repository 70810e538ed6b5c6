/** The record of a run: accepted jobs, how they ended, and violations. */

/** The checks, by key; each is a line of the report. */
export const checks = {
  promises: 'every 202 is a job that ends, and its final status does not change',
  idempotency: 'one submission is one job, one top-up is one grant',
  charges: 'each step is billed at most once, and every delivered answer is billed',
  balances: 'no account uses more than was granted, and balances are the sum of their rows',
  book: 'billed tokens match the model’s own book',
  leftovers: 'no hold, lease or stray row remains; Redis agrees with Postgres',
  messages: 'every message to Instagram is sent at most once',
  webhooks: 'every event answered with 200 is stored once, with its outcome',
  logs: 'no alarm, no unknown error, no line that is not JSON',
  processes: 'no process exits unexpectedly, and each exits with code 0 on SIGTERM',
  answers: 'the API never answers 500, and refuses no account that has tokens',
  provider: 'a phase in which the provider refuses all calls fails no job and costs no attempt',
  recovery: 'work resumes within the limit of every fault',
  script: 'every kind of fault was injected',
} as const;
export type Check = keyof typeof checks;

/** `at` is in milliseconds since 1970, comparable with times of the sandbox and Postgres. */
export type Violation = { at: number; check: Check; what: string };

export type Journal = {
  violations: Violation[];
  /** Records a violation once, however often it is reported. */
  addViolation(check: Check, what: string, at?: number): void;
  /** Time of each job's 202, by job id. */
  promises: Map<string, number>;
  /** The final status of each job, as a client first saw it, by job id. */
  endings: Map<string, string>;
  /** Records a job's status; a changed final status is a violation. */
  recordStatus(jobId: string, status: string): void;
  /** Dedupe keys of all events answered with 200. */
  events: Set<string>;
  /** Tokens of each top-up answered with 201, by its idempotency key. */
  topUps: Map<string, number>;
  /** Job and tokens of every hold seen, by hold id. */
  holds: Map<string, { jobId: string; tokens: number }>;
  /** Jobs that were running when a worker was killed. */
  jobsAtKill: Set<string>;
  /** Queued and running jobs at the last count. */
  openJobs: number;
};

const running = ['queued', 'running'];

/** Creates an empty journal; `onViolation` is called for each new violation. */
export function createJournal(onViolation: (violation: Violation) => void): Journal {
  const known = new Set<string>();
  const violations: Violation[] = [];
  const endings = new Map<string, string>();
  function addViolation(check: Check, what: string, at = Date.now()): void {
    if (known.has(`${check} ${what}`)) return;
    known.add(`${check} ${what}`);
    violations.push({ at, check, what });
    onViolation({ at, check, what });
  }
  return {
    violations,
    addViolation,
    promises: new Map(),
    endings,
    recordStatus(jobId, status) {
      const before = endings.get(jobId);
      if (before !== undefined && before !== status)
        addViolation('promises', `job ${jobId} was ${before} and is ${status} later`);
      if (!running.includes(status)) endings.set(jobId, status);
    },
    events: new Set(),
    topUps: new Map(),
    holds: new Map(),
    jobsAtKill: new Set(),
    openJobs: 0,
  };
}
