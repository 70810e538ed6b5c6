/** Formats the figures as Markdown tables, with their targets. */
import { availableParallelism, cpus, totalmem } from 'node:os';
import type { Growth } from './growth.ts';
import type { Latency } from './latency.ts';
import { type Ledger, ledgerConcurrency } from './ledger.ts';
import { type Metered, slowModelMs } from './metered.ts';
import type { Comparison } from './rounds.ts';
import type { Percentiles, Spread } from './statistics.ts';
import { loadConnections, type SubmissionFigures } from './submissions.ts';

export type Results = {
  metered: Metered;
  submissions: Comparison<keyof SubmissionFigures>;
  ledger: Ledger;
  latency: Latency;
  growth?: Growth | undefined;
};

export function toMarkdown({ metered, submissions, ledger, latency, growth }: Results): string {
  const { instant, slow } = metered;
  const added = { p50: difference('p50'), p95: difference('p95'), p99: difference('p99') };
  function difference(name: keyof Percentiles): number {
    return latency.tally[name] - latency.bare[name];
  }
  const comparison = [
    compared('jobs/s, model answers at once', instant.jobsPerSecond, 0, '≥ 0.7'),
    compared(`jobs/s, model takes ${slowModelMs} ms`, slow.jobsPerSecond, 0, '≥ 0.95'),
    compared('CPU ms a job, worker process, model at once', instant.workerCpuMs, 2, '≤ 1.3'),
    compared('CPU ms a job, with Postgres and Redis, model at once', instant.totalCpuMs, 2),
    compared(`CPU ms a job, worker process, model ${slowModelMs} ms`, slow.workerCpuMs, 2),
    compared(`CPU ms a job, with Postgres and Redis, model ${slowModelMs} ms`, slow.totalCpuMs, 2),
    compared(`submissions/s, ${loadConnections} connections`, submissions.submissionsPerSecond, 0, '≥ 0.5'),
    compared('CPU ms a submission, API process', submissions.apiCpuMs, 2),
    compared('submission under that load, p50 ms', submissions.p50Ms, 1),
    compared('submission under that load, p95 ms', submissions.p95Ms, 1),
    compared('submission under that load, p99 ms', submissions.p99Ms, 1),
    row(
      'one job at a time through HTTP, p50 / p95 / p99 ms',
      shown(latency.tally),
      shown(latency.bare),
      `+${shown(added)}`,
      'p50 ≤ +6 ms',
    ),
  ];
  const alone = [
    ledgerRow('reserve + settle/s, 100 subscriptions', ledger.spread),
    ledgerRow('reserve + settle/s, one hot subscription', ledger.hot, '≥ 1,000/s'),
  ];
  return [
    `Medians of alternating rounds (lowest – highest); ${machine()}.`,
    '',
    row('', 'Tally', 'bare', 'Tally / bare', 'aim'),
    row('---', '---', '---', '---', '---'),
    ...comparison,
    '',
    row('', 'a second', `p50 / p95 / p99 ms at ${ledgerConcurrency} at once`, 'aim'),
    row('---', '---', '---', '---'),
    ...alone,
    ...(growth === undefined ? [] : ['', ...growthTable(growth)]),
    '',
  ].join('\n');
}

function growthTable({ empty, long, logRows, queuedJobs }: Growth): string[] {
  const { format } = new Intl.NumberFormat('en');
  return [
    row('one at a time, p50 / p95 / p99 ms', 'empty', `${format(logRows)} log rows, ${format(queuedJobs)} queued jobs`),
    row('---', '---', '---'),
    row('reserve + settle', shown(empty.settleMs), shown(long.settleMs)),
    row('submission', shown(empty.submitMs), shown(long.submitMs)),
  ];
}

const row = (...cells: string[]): string => `| ${cells.join(' | ')} |`;

function compared(what: string, { tally, bare, ratio }: Comparison<'x'>['x'], digits: number, aim = ''): string {
  return row(what, ranged(tally, digits), ranged(bare, digits), ranged(ratio, 2), aim);
}

const ledgerRow = (what: string, { perSecond, latencyMs }: Ledger['hot'], aim = ''): string =>
  row(what, ranged(perSecond, 0), shown(latencyMs), aim);

function ranged({ median, min, max }: Spread, digits: number): string {
  if (Number.isNaN(median)) return 'not known here';
  const [m, low, high] = [median, min, max].map((value) => value.toFixed(digits));
  return `${m} (${low} – ${high})`;
}

const shown = ({ p50, p95, p99 }: Percentiles): string => [p50, p95, p99].map((ms) => ms.toFixed(1)).join(' / ');

function machine(): string {
  const [cpu] = cpus();
  const memory = `${(totalmem() / 2 ** 30).toFixed(0)} GB`;
  return `${availableParallelism()} cores (${cpu?.model.trim()}), ${memory}, ${process.platform}, Node ${process.versions.node}`;
}
