/** What clients and watchers write down while a run lasts: promises, endings, and whatever must not be. */

/** What can be broken; each is a line of the report. */
export const checks = {
  promises: 'every 202 is a job that ends, and an ended job stays as it ended',
  idempotency: 'one submission is one job, one top-up is one grant',
  charges: 'each step is billed at most once, and what was delivered is billed',
  balances: 'nobody uses more than was granted, and balances are the sum of their rows',
  book: 'what was billed is what the model’s own book says',
  leftovers: 'no hold, no lease and no stray row is left; Redis agrees with Postgres',
  messages: 'every message to Instagram is sent at most once',
  webhooks: 'every event answered 200 is there once, with what became of it',
  logs: 'no alarm, no unknown error, nothing that a log should not say',
  processes: 'no process ends by itself, and SIGTERM ends one in order',
  answers: 'the API never answers 500, and refuses nobody who has tokens',
  provider: 'a phase in which the provider refuses all calls fails no job and costs no attempt',
  recovery: 'after every fault work goes on within its limit',
  script: 'every kind of fault was there',
} as const;
export type Check = keyof typeof checks;

/** `at` in milliseconds since 1970, as everywhere here: the books of the sandbox and Postgres say it so. */
export type Violation = { at: number; check: Check; what: string };

export type Journal = {
  violations: Violation[];
  /** Notes once what must not be. */
  violate(check: Check, what: string, at?: number): void;
  /** When each job's 202 came, by job id. */
  promises: Map<string, number>;
  /** How each job ended, as a client first saw it. */
  endings: Map<string, string>;
  /** Notes how a job stands; an ended job that stands otherwise later is a violation. */
  see(jobId: string, status: string): void;
  /** The dedupe keys of all events that a webhook's 200 answered. */
  events: Set<string>;
  /** Keys of the top-ups that were answered 201, with their tokens. */
  topUps: Map<string, number>;
  /** The job of every hold that was ever seen, and its tokens. */
  holds: Map<string, { jobId: string; tokens: number }>;
  /** Jobs that were running when a process died. */
  hits: Set<string>;
  /** How many jobs had not ended when they were last counted. */
  openJobs: number;
};

const running = ['queued', 'running'];

/** An empty journal; `tell` hears of every violation at once. */
export function createJournal(tell: (violation: Violation) => void): Journal {
  const known = new Set<string>();
  const violations: Violation[] = [];
  const endings = new Map<string, string>();
  function violate(check: Check, what: string, at = Date.now()): void {
    if (known.has(`${check} ${what}`)) return;
    known.add(`${check} ${what}`);
    violations.push({ at, check, what });
    tell({ at, check, what });
  }
  return {
    violations,
    violate,
    promises: new Map(),
    endings,
    see(jobId, status) {
      const before = endings.get(jobId);
      if (before !== undefined && before !== status)
        violate('promises', `job ${jobId} was ${before} and is ${status} later`);
      if (!running.includes(status)) endings.set(jobId, status);
    },
    events: new Set(),
    topUps: new Map(),
    holds: new Map(),
    hits: new Set(),
    openJobs: 0,
  };
}
