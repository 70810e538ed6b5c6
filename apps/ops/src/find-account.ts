/** Finds the account that an operator specifies. */
import { isId, TallyError } from '@tally/core';
import { type Account, type Database, findAccount, findAccountByEmail } from '@tally/db';

/** By e-mail address, or by id, which an erased account still has. @throws TallyError `not_found` */
export async function requireAccount(db: Database, emailOrId: string): Promise<Account> {
  const account = await (isId(emailOrId) ? findAccount(db, emailOrId) : findAccountByEmail(db, emailOrId));
  if (account === undefined) throw new TallyError('not_found', `There is no account ${emailOrId}`);
  return account;
}
