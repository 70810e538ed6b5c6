/** Measures reserves and settlements per second in one process, over many subscriptions and on a single hot one. */
import type { LedgerResult, LedgerRun } from './children/ledger.ts';
import { commitJobs, type Installation } from './installation.ts';
import { type Child, startChild } from './process.ts';
import { say } from './rounds.ts';
import { type Percentiles, percentilesOf, type Spread, spreadOf } from './statistics.ts';
import type { World } from './world.ts';

export type LedgerFigures = { perSecond: Spread; latencyMs: Percentiles };
export type Ledger = Record<'spread' | 'hot', LedgerFigures>;

export const ledgerConcurrency = 128;

export async function measureLedger(
  world: World,
  installation: Installation,
  size: { rounds: number; settlements: number },
): Promise<Ledger> {
  const ledger = await startLedger(world, installation);
  const hot = { ...installation, accounts: installation.accounts.slice(0, 1) };
  await settleJobs(ledger, installation, size.settlements, ledgerConcurrency);
  const results: Record<keyof Ledger, (LedgerResult & { perSecond: number })[]> = { spread: [], hot: [] };
  for (let round = 1; round <= size.rounds; round++) {
    results.spread.push(await settleJobs(ledger, installation, size.settlements, ledgerConcurrency));
    results.hot.push(await settleJobs(ledger, hot, size.settlements, ledgerConcurrency));
    const [spread, one] = [results.spread.at(-1), results.hot.at(-1)].map((r) => r?.perSecond.toFixed(0));
    say(`reserve and settle: round ${round} of ${size.rounds}, spread ${spread}/s, one hot subscription ${one}/s`);
  }
  await ledger.stop();
  const summarise = (rounds: (typeof results)['hot']): LedgerFigures => ({
    perSecond: spreadOf(rounds.map((round) => round.perSecond)),
    latencyMs: percentilesOf(rounds.flatMap((round) => round.latenciesMs)),
  });
  return { spread: summarise(results.spread), hot: summarise(results.hot) };
}

export const startLedger = (world: World, { env }: Installation): Promise<Child> =>
  startChild('bench/children/ledger.ts', { env, folder: world.folder });

/** Commits jobs of the installation's accounts, then reserves and settles them in the child. */
export async function settleJobs(
  ledger: Child,
  installation: Installation,
  count: number,
  concurrency: number,
): Promise<LedgerResult & { perSecond: number }> {
  const jobs = await commitJobs(installation, count);
  const run: LedgerRun = {
    jobs: jobs.map(({ jobId, account: { accountId } }) => ({ jobId, accountId })),
    concurrency,
  };
  const result = await ledger.call<LedgerResult>('reserveAndSettle', run);
  return { ...result, perSecond: count / result.seconds };
}
