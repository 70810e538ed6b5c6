/** Connects the database for an operator's command, and finds the account that the operator names. */
import { type Config, createLogger, isId, type Logger, loadConfig, TallyError } from '@tally/core';
import { type Account, connectDatabase, type Database, findAccount, findAccountByEmail } from '@tally/db';

/** Connects, runs one verb, and always closes. The verb returns the exit code. */
export async function withDatabase(
  verb: (db: Database, config: Config, log: Logger) => Promise<number>,
): Promise<void> {
  const config = loadConfig();
  // Logs go to standard error, because standard output is for the command's result.
  const log = createLogger('ops', 'warn', process.stderr);
  const db = connectDatabase({ url: config.databaseUrl, name: 'ops', log, connections: 2 });
  try {
    process.exitCode = await verb(db, config, log);
  } finally {
    await db.close();
  }
}

/** The id of the account with this address; undefined without an address. @throws TallyError `not_found` */
export async function accountOf({ db }: { db: Database }, email: string | undefined): Promise<string | undefined> {
  if (email === undefined) return undefined;
  return (await requireAccount(db, email)).id;
}

/** By e-mail address, or by id, which an erased account still has. @throws TallyError `not_found` */
export async function requireAccount(db: Database, emailOrId: string): Promise<Account> {
  const account = await (isId(emailOrId) ? findAccount(db, emailOrId) : findAccountByEmail(db, emailOrId));
  if (account === undefined) throw new TallyError('not_found', `There is no account ${emailOrId}`);
  return account;
}
