/** Creates accounts in the database, as registration and a subscription would. */
import { hashPassword } from '@tally/core';
import { type Database, insertAccount, startPeriod } from '@tally/db';

export type NewAccount = {
  /** By default the account has no subscription. */
  tokens?: number;
  planId?: string;
  role?: 'tenant' | 'operator';
  email?: string;
};

export const testPassword = 'correct horse battery';

let accounts = 0;
let passwordHash: Promise<string> | undefined;

/** A confirmed account with {@link testPassword} and, if `tokens` is given, a running subscription of one day. */
export async function newAccount(
  { db }: { db: Database },
  { tokens, planId = 'starter', role = 'tenant', email = `account${++accounts}@example.com` }: NewAccount = {},
): Promise<{ accountId: string; subscriptionId: string; email: string }> {
  passwordHash ??= hashPassword(testPassword);
  const account = await insertAccount(db, { email, role, passwordHash: await passwordHash, isConfirmed: true });
  if (account === undefined) throw new Error(`${email} exists`);
  if (tokens === undefined) return { accountId: account.id, subscriptionId: '', email };
  const subscriptionId = await startPeriod(db, {
    accountId: account.id,
    planId,
    tokens,
    status: 'active',
    renews: false,
    startsAt: new Date(Date.now() - 1_000),
    endsAt: new Date(Date.now() + 86_400_000),
    grantedBy: null,
  });
  return { accountId: account.id, subscriptionId, email };
}
