/**
 * `npm run bench`: measures Tally's overhead over the libraries it is built on, on this machine.
 *
 *   --quick    about a minute, with wide spreads
 *   --growth   also with long tables and a long queue: --log-rows 1000000 --queued-jobs 100000 add about two minutes
 *   --save     writes bench/results.md
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { measureGrowth } from './growth.ts';
import { newInstallation } from './installation.ts';
import { measureLatency } from './latency.ts';
import { measureLedger } from './ledger.ts';
import { measureMetered } from './metered.ts';
import { toMarkdown } from './report.ts';
import { say } from './rounds.ts';
import { measureSubmissions } from './submissions.ts';
import { endWorld, startWorld } from './world.ts';

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    growth: { type: 'boolean', default: false },
    'log-rows': { type: 'string', default: '1000000' },
    'queued-jobs': { type: 'string', default: '100000' },
    save: { type: 'boolean', default: false },
  },
});
const sizes = flags.quick
  ? {
      metered: { rounds: 2, coldJobs: 400, instantJobs: 500, slowJobs: 300 },
      submissions: { rounds: 2, cold: 500, submissions: 1_500 },
      ledger: { rounds: 2, settlements: 800 },
      latency: { rounds: 2, jobs: 40 },
    }
  : {
      metered: { rounds: 5, coldJobs: 1_000, instantJobs: 1_200, slowJobs: 400 },
      submissions: { rounds: 5, cold: 1_500, submissions: 4_000 },
      ledger: { rounds: 5, settlements: 2_000 },
      latency: { rounds: 4, jobs: 80 },
    };
const endLimitMs = 30_000;

async function main(): Promise<void> {
  say('starting Postgres, Redis and the sandbox');
  const world = await startWorld();
  const install = (name: string, accounts: number) => newInstallation(world, name, accounts);
  const metered = await measureMetered(world, await install('metered', 20), sizes.metered);
  const submissions = await measureSubmissions(world, await install('submissions', 50), sizes.submissions);
  const ledger = await measureLedger(world, await install('ledger', 100), sizes.ledger);
  const latency = await measureLatency(world, await install('latency', 20), sizes.latency);
  const growth = flags.growth
    ? await measureGrowth(world, await install('growth', 100), {
        logRows: Number(flags['log-rows']),
        queuedJobs: Number(flags['queued-jobs']),
      })
    : undefined;
  const table = toMarkdown({ metered, submissions, ledger, latency, growth });
  process.stdout.write(`\n${table}`);
  if (flags.save) writeFileSync(new URL('results.md', import.meta.url), table);
}

let isStopping = false;

/** Only the first call counts, because later failures are its consequence. */
async function stop(code: number, message = ''): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  setTimeout(() => process.exit(1), endLimitMs).unref();
  process.stderr.write(message);
  await endWorld();
  process.exit(code);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => void stop(1, `${signal}: everything ends\n`));
await main().then(
  () => stop(0),
  (error: Error) => stop(1, `${error.stack}\n`),
);
