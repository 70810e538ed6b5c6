/** Renders a run's result as rows for JSON and as a text table. */
import { allFaults } from './faults/index.ts';
import { type Check, checks } from './journal.ts';
import type { RunResult } from './run.ts';
import { type Incident, incidentsAt } from './timeline.ts';

type Row = {
  fault: string;
  times: number;
  /** Undefined where recovery was not measured each time. */
  worstRecoveryS: number | undefined;
  limitS: number;
  extraCalls: number;
  jobsLost: number;
  doubleCharges: number;
  overdrafts: number;
};

/** One row per injected fault. An event during several faults counts for each of them. */
export function toRows({ incidents, violations, extraCalls }: RunResult): Row[] {
  const violatedDuring = (mine: readonly Incident[], check: Check) =>
    violations.filter((one) => one.check === check && incidentsAt(mine, one.at).length > 0).length;
  return allFaults.flatMap(({ name, limitMs, lane }) => {
    const mine = incidents.filter(({ fault }) => fault === name);
    if (mine.length === 0) return [];
    const measured = mine.flatMap(({ recoveryMs }) => (recoveryMs === undefined ? [] : [recoveryMs]));
    const calls = extraCalls.filter(
      // A call with a fault of the model counts for the outside lane, any other lost call for the inside lane.
      ({ at, fault }) => (fault === null ? 'inside' : 'outside') === lane && incidentsAt(mine, at).length > 0,
    );
    return [
      {
        fault: name,
        times: mine.length,
        worstRecoveryS: measured.length === mine.length ? Math.max(...measured) / 1_000 : undefined,
        limitS: limitMs / 1_000,
        extraCalls: calls.length,
        jobsLost: violatedDuring(mine, 'promises'),
        doubleCharges: violatedDuring(mine, 'charges'),
        overdrafts: violatedDuring(mine, 'balances'),
      },
    ];
  });
}

const columns = [
  'fault',
  'times',
  'worst recovery',
  'limit',
  'extra calls',
  'jobs lost',
  'double charges',
  'overdrafts',
];

/** The table, the result of every check, and the figures. */
export function toText(result: RunResult): string {
  const cells = toRows(result).map((row) => [
    row.fault,
    String(row.times),
    row.worstRecoveryS === undefined ? 'never' : `${row.worstRecoveryS.toFixed(1)} s`,
    `${row.limitS} s`,
    ...[row.extraCalls, row.jobsLost, row.doubleCharges, row.overdrafts].map(String),
  ]);
  const widths = columns.map((name, i) => Math.max(name.length, ...cells.map((row) => row[i]?.length ?? 0)));
  const line = (row: string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  const { sums, figures, violations } = result;
  const jobs = Object.entries(figures.jobs).map(([status, count]) => `${count} ${status}`);
  return [
    line(columns),
    ...cells.map(line),
    '',
    ...(Object.keys(checks) as Check[]).flatMap((check) => {
      const found = violations.filter((one) => one.check === check);
      const verdict = found.length === 0 ? 'ok  ' : 'FAIL';
      return [`${verdict} ${checks[check]}`, ...found.slice(0, maxShown).map(({ what }) => `       ${what}`)];
    }),
    '',
    `jobs: ${jobs.join(', ')}; ${figures.promises} accepted with 202,` +
      ` ${figures.events} webhook events, ${figures.topUps} top-ups`,
    `tokens in ${sums.calls} answered calls: ${sums.answered} by the model’s book = ${sums.billed} billed` +
      ` + ${sums.unbilled} unbilled + ${sums.lost} lost with their worker + ${sums.beyondHold} unpaid above the hold` +
      ` + ${sums.misestimated} above the estimate where usage was missing or invalid;` +
      ` ${sums.cancelled} billed for the input of cancelled calls`,
    `the ledger was sampled ${figures.samples} times`,
  ].join('\n');
}

const maxShown = 20;
