/** `npm run ops -- create-operator EMAIL`: creates the operators of an installation. */
import { randomBytes } from 'node:crypto';
import type { Billing } from '@tally/billing';
import { hashPassword } from '@tally/core';
import { findAccountByEmail, insertAccount, setRole } from '@tally/db';

/** Makes the account an operator, or creates it with a password that is shown once. Returns the exit code. */
export async function createOperator({ db }: Billing, email: string): Promise<number> {
  if (!/^[^\s@]+@[^\s@]+$/.test(email)) {
    console.error(`${email} is not an e-mail address`);
    return 1;
  }
  const existing = await findAccountByEmail(db, email);
  if (existing?.emailConfirmedAt === null) {
    console.error(
      `${existing.email} is registered, and its owner has not confirmed it: whoever has that account may be anybody`,
    );
    return 1;
  }
  if (existing !== undefined) {
    await setRole(db, existing.id, 'operator');
    console.log(`${existing.email} is an operator; its password is unchanged.`);
    return 0;
  }
  const password = randomBytes(15).toString('base64url');
  await insertAccount(db, { email, passwordHash: await hashPassword(password), role: 'operator', isConfirmed: true });
  console.log(`${email.toLowerCase()} is an operator. Its password, shown only now: ${password}`);
  return 0;
}
