/** Reads every log line of every process: an alarm or an unknown error is a violation. */
import type { Incident } from '../timeline.ts';
import type { World } from '../world.ts';

type Line = { level: number; time?: string; msg?: string; err?: { type?: string; message?: string; code?: string } };

const errorLevel = 50;

type Explanation = { pattern: RegExp; faults: RegExp; graceMs: number; why: string };

/** Log lines that are expected during a fault of these kinds, and for `graceMs` after it. */
const explanations: Explanation[] = [
  {
    pattern: /Redis differs and is rebuilt: hold \S+ has no row in Postgres/,
    faults: /^(redis|worker|rolling)-/,
    graceMs: 30_000,
    why: 'Postgres settled a call that Redis was not told of, as it or the worker was down; the audit repairs that',
  },
  {
    pattern: /ALARM, the model’s provider answers nothing/,
    faults: /^model-key-wrong$/,
    graceMs: 30_000,
    why: 'the operator must be notified at once',
  },
  {
    pattern: /ALARM, .* tokens above what their accounts could pay/,
    faults: /^model-(over-limit|usage-huge)$/,
    graceMs: 3_600_000,
    why: 'usage above the hold that keeps recurring is a loss of the operator',
  },
  {
    pattern: /ended as poisoned/,
    faults: /^(worker|rolling)-/,
    graceMs: 60_000,
    why: 'an attempt whose worker died counts like one that failed',
  },
];

const isExplained = (incidents: readonly Incident[], words: string, at: number): boolean =>
  explanations.some(
    ({ pattern, faults, graceMs }) =>
      pattern.test(words) &&
      incidents.some((one) => faults.test(one.fault) && one.startedAt <= at && at <= (one.overAt ?? at) + graceMs),
  );

/** Reports every unexpected line of level error or above, and every line that is not JSON. */
export async function checkLogs({ fleet, journal }: World, incidents: readonly Incident[]): Promise<void> {
  for (const { name, text } of await fleet.logs()) {
    const lines = text.split('\n');
    // The last line of a killed process may be incomplete.
    for (const line of lines.slice(0, -1)) {
      if (line.trim() === '') continue;
      const read = parse(line);
      const at = Date.parse(read?.time ?? '') || Date.now();
      if (read === undefined) journal.addViolation('logs', `${name} says: ${line.slice(0, 300)}`);
      else if (read.level >= errorLevel && !isExplained(incidents, line, at))
        journal.addViolation('logs', `${name}: ${describe(read)}`, at);
    }
  }
}

/** Reports unexpected jobs that failed with an internal error, an invalid input, or as poisoned. */
export async function checkErrorCodes({ system, journal }: World, incidents: readonly Incident[]): Promise<void> {
  const { rows } = await system.billing.db.pool.query<{
    id: string;
    task: string;
    error_code: string;
    finished_at: Date;
  }>(
    `select id, task, error_code, finished_at from jobs where error_code in ('internal', 'invalid_input', 'poisoned')
     and status = 'failed'`,
  );
  for (const { id, task, error_code, finished_at } of rows) {
    const words = `job ${id} (${task}) ended as ${error_code}`;
    const at = finished_at.getTime();
    if (!isExplained(incidents, words, at)) journal.addViolation('logs', words, at);
  }
}

function parse(line: string): Line | undefined {
  try {
    return JSON.parse(line) as Line;
  } catch {
    return undefined;
  }
}

function describe({ msg, err }: Line): string {
  return err === undefined ? `${msg}` : `${msg}: ${err.type} ${err.code ?? ''} ${err.message}`;
}
