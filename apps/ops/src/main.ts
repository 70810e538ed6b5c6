/** The operator's commands: `npm run ops -- --help`. */
import { type Billing, createBilling } from '@tally/billing';
import { connectRedis, createLogger, loadConfig, redisReady } from '@tally/core';
import { connectDatabase, migrate } from '@tally/db';
import { Command } from 'commander';
import { createOperator } from './create-operator.ts';
import { eraseAccount } from './erase-account.ts';
import { exportTo } from './export-account.ts';
import { seedDemo } from './seed-demo.ts';
import { verify } from './verify.ts';

/** Connects, runs one verb, and closes whatever happens. */
async function withBilling(verb: (billing: Billing) => Promise<number>): Promise<void> {
  const config = loadConfig();
  // Standard output is what a command was asked for.
  const log = createLogger('ops', 'warn', process.stderr);
  const db = connectDatabase({ url: config.databaseUrl, name: 'ops', log, connections: 2 });
  const redis = connectRedis(config.redisUrls, 'ledger', (err) => log.warn({ err }, 'redis connection'));
  try {
    await redisReady(redis, 10_000);
    process.exitCode = await verb(createBilling({ db, redis, keyPrefix: config.redisKeyPrefix, log }));
  } finally {
    redis.disconnect();
    await db.close();
  }
}

const program = new Command('npm run ops --').description('Commands for the operators of a Tally installation.');

program
  .command('migrate')
  .description('bring the database schema up to date')
  .action(() =>
    withBilling(async ({ db }) => {
      const applied = await migrate(db);
      console.log(applied.length === 0 ? 'The schema is up to date.' : `Applied ${applied.join(', ')}.`);
      return 0;
    }),
  );

program
  .command('seed')
  .description('create the demo accounts (password tally-demo) where they are missing')
  .action(() =>
    withBilling(async (billing) => {
      const created = await seedDemo(billing);
      console.log(created.length === 0 ? 'The demo accounts are there.' : `Created ${created.join(', ')}.`);
      return 0;
    }),
  );

program
  .command('create-operator <email>')
  .description('create an operator, or make an account one; prints a new password where it made one')
  .action((email: string) => withBilling((billing) => createOperator(billing, email)));

program
  .command('export <email>')
  .description('write everything that is kept for an account to standard output, as JSON lines')
  .action((email: string) => withBilling(({ db }) => exportTo(process.stdout, db, email)));

program
  .command('erase <email>')
  .description('shut an account for good and remove what it holds; the ledger stays')
  .option('--dry-run', 'only say what would be removed')
  .action((email: string, options: { dryRun?: boolean }) => withBilling(({ db }) => eraseAccount(db, email, options)));

program
  .command('verify')
  .description('recompute every balance from the ledger and compare it with the tables and with Redis')
  .action(() => withBilling(verify));

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
