/** The operator's commands: `npm run ops -- --help`. Each is loaded when it is called, so that `migrate` starts fast. */
import { migrate } from '@tally/db';
import { Command, InvalidArgumentError } from 'commander';
import type { RequeueOptions } from './commands/requeue.ts';
import { withDatabase } from './database.ts';
import type { OpsServices } from './services.ts';

const withServices = async (verb: (services: OpsServices) => Promise<number>) =>
  (await import('./services.ts')).withServices(verb);

const program = new Command('npm run ops --').description('Commands for the operators of a Tally installation.');

program
  .command('migrate')
  .description('bring the database schema up to date')
  .action(() =>
    withDatabase(async (db) => {
      const applied = await migrate(db);
      console.log(applied.length === 0 ? 'The schema is up to date.' : `Applied ${applied.join(', ')}.`);
      return 0;
    }),
  );

program
  .command('seed')
  .description('create the demo accounts (password tally-demo) where they are missing')
  .action(() =>
    withServices(async ({ billing, production }) => {
      const { seedDemo } = await import('./demo/seed-demo.ts');
      const created = await seedDemo(billing, { withKey: !production });
      console.log(created.length === 0 ? 'The demo accounts are there.' : `Created ${created.join(', ')}.`);
      return 0;
    }),
  );

program
  .command('create-operator <email>')
  .description('create an operator, or make an account one; prints a new password where it made one')
  .action((email: string) =>
    withServices(async (billing) => (await import('./commands/create-operator.ts')).createOperator(billing, email)),
  );

program
  .command('reset-second-factor <email>')
  .description('turn a second factor off whose device and codes are lost; make sure first who asks')
  .action((email: string) =>
    withDatabase(async (db) => (await import('./commands/reset-second-factor.ts')).resetSecondFactor(db, email)),
  );

program
  .command('export <email>')
  .description('write everything that is kept for an account to standard output, as JSON lines')
  .action((email: string) =>
    withDatabase(async (db) => (await import('./commands/export-account.ts')).exportTo(process.stdout, db, email)),
  );

program
  .command('erase <email>')
  .description('shut an account for good and remove what it holds; the ledger stays')
  .option('--dry-run', 'only say what would be removed')
  .action((email: string, options: { dryRun?: boolean }) =>
    withDatabase(async (db) => (await import('./commands/erase-account.ts')).eraseAccount(db, email, options)),
  );

program
  .command('verify')
  .description('recompute every balance from the ledger and compare it with the tables and with Redis')
  .action(() => withServices(async (services) => (await import('./commands/verify.ts')).verify(services)));

program
  .command('alarms')
  .description('show what the audit found that no program may mend; exit code 1 where there is something')
  .action(() => withServices(async (services) => (await import('./commands/alarms.ts')).showAlarms(services)));

program
  .command('requeue [jobs...]')
  .description('put failed and rejected jobs back on their queues; what they paid for is not paid again')
  .option('--code <code>', 'those that ended with this code, such as poisoned or model_unavailable')
  .option('--task <task>', 'those of this task')
  .option('--account <email>', 'those of this account')
  .option('--since <hours>', 'those that ended within so many hours', hours)
  .option('--dry-run', 'show them, and change nothing')
  .action((jobs: string[], options: RequeueOptions) =>
    withServices(async (services) => (await import('./commands/requeue.ts')).requeueCommand(services, jobs, options)),
  );

program
  .command('cancel <jobs...>')
  .description('end queued and running jobs')
  .option('--dry-run', 'show them, and change nothing')
  .action((jobs: string[], options: { dryRun?: boolean }) =>
    withServices(async (services) => (await import('./commands/cancel.ts')).cancelCommand(services, jobs, options)),
  );

program
  .command('release-holds')
  .description('give back tokens that are held for calls of which nothing can come any more (maintenance does so, too)')
  .option('--account <email>', 'those of this account')
  .option('--dry-run', 'show them, and change nothing')
  .action((options: { account?: string; dryRun?: boolean }) =>
    withServices(async (services) => (await import('./commands/release-holds.ts')).releaseHolds(services, options)),
  );

program
  .command('rebuild-redis')
  .description('make Redis forget balances and queues, to be read from Postgres again; safe while everything runs')
  .option('--account <email>', 'the balances of this account alone')
  .option('--dry-run', 'count them, and change nothing')
  .action((options: { account?: string; dryRun?: boolean }) =>
    withServices(async (services) => (await import('./commands/rebuild-redis.ts')).rebuildRedis(services, options)),
  );

program
  .command('reseal')
  .description('seal stored secrets anew with ENCRYPTION_KEY, where they were sealed with ENCRYPTION_KEY_ALSO')
  .action(() => withServices(async (services) => (await import('./commands/reseal.ts')).reseal(services)));

function hours(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('must be a number of hours');
  return value;
}

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
