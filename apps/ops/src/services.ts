/** Connects the services that the operator's commands use. */
import { type Billing, createBilling } from '@tally/billing';
import {
  connectRedis,
  createLogger,
  isId,
  loadConfig,
  redisReady,
  type SealKeys,
  sealKeysOf,
  TallyError,
  warnOfRedis,
} from '@tally/core';
import { type Account, connectDatabase, type Database, findAccount, findAccountByEmail } from '@tally/db';
import { openQueues, type Queues } from '@tally/queue';
import { tasks } from '@tally/tasks';

export type OpsServices = Billing & { billing: Billing; queues: Queues; production: boolean; sealKeys: SealKeys };

const redisStartMs = 10_000;

/** Connects, runs one verb, and always closes. The verb returns the exit code. */
export async function withServices(verb: (services: OpsServices) => Promise<number>): Promise<void> {
  const config = loadConfig();
  // Logs go to standard error, because standard output is for the command's result.
  const log = createLogger('ops', 'warn', process.stderr);
  const db = connectDatabase({ url: config.databaseUrl, name: 'ops', log, connections: 2 });
  const redis = connectRedis(config.redisUrls, 'ledger', warnOfRedis(log));
  const keyPrefix = config.redisKeyPrefix;
  // Opened once Redis is ready, because each queue would report errors of a connection still being opened.
  let queues: Queues | undefined;
  try {
    await redisReady(redis, redisStartMs);
    queues = openQueues({ redis, keyPrefix, taskNames: tasks.map(({ name }) => name), log });
    const billing = createBilling({ db, redis, keyPrefix, log });
    process.exitCode = await verb({
      ...billing,
      billing,
      queues,
      production: config.production,
      sealKeys: sealKeysOf(config),
    });
  } finally {
    await queues?.close();
    redis.disconnect();
    await db.close();
  }
}

/** The id of the account with this address; undefined without an address. @throws TallyError `not_found` */
export async function accountOf({ db }: Billing, email: string | undefined): Promise<string | undefined> {
  if (email === undefined) return undefined;
  return (await requireAccount(db, email)).id;
}

/** By e-mail address, or by id, which an erased account still has. @throws TallyError `not_found` */
export async function requireAccount(db: Database, emailOrId: string): Promise<Account> {
  const account = await (isId(emailOrId) ? findAccount(db, emailOrId) : findAccountByEmail(db, emailOrId));
  if (account === undefined) throw new TallyError('not_found', `There is no account ${emailOrId}`);
  return account;
}
