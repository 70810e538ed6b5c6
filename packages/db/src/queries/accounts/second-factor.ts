/** The second factor of an account: its sealed secret, the codes that were taken, and codes for the day the device is lost. */
import { and, eq, isNull, lt } from 'drizzle-orm';
import { type Database, inTransaction } from '../../connect.ts';
import { accounts, recoveryCodes } from '../../schema/index.ts';

/** What a TOTP secret is sealed for. */
export const totpContext = (accountId: string): string => `totp:${accountId}`;

/** Keeps a secret that is not in force yet; false where one is in force. */
export async function prepareSecondFactor(db: Database, accountId: string, sealedSecret: string): Promise<boolean> {
  const { rowCount } = await db.orm
    .update(accounts)
    .set({ totpSecret: sealedSecret, totpLastStep: 0 })
    .where(and(eq(accounts.id, accountId), isNull(accounts.totpEnabledAt)));
  return rowCount === 1;
}

/** Takes a code of this time step, once; false where it, or a later one, was taken before. */
export async function takeCode(db: Database, accountId: string, step: number): Promise<boolean> {
  const { rowCount } = await db.orm
    .update(accounts)
    .set({ totpLastStep: step })
    .where(and(eq(accounts.id, accountId), lt(accounts.totpLastStep, step)));
  return rowCount === 1;
}

/** Puts the prepared secret into force, with new recovery codes. */
export async function enableSecondFactor(db: Database, accountId: string, codeHashes: Buffer[]): Promise<void> {
  await inTransaction(db, async ({ orm }) => {
    await orm.update(accounts).set({ totpEnabledAt: new Date() }).where(eq(accounts.id, accountId));
    await orm.delete(recoveryCodes).where(eq(recoveryCodes.accountId, accountId));
    await orm.insert(recoveryCodes).values(codeHashes.map((codeHash) => ({ accountId, codeHash })));
  });
}

/** Uses up a recovery code; false where it is none. */
export async function takeRecoveryCode(db: Database, accountId: string, codeHash: Buffer): Promise<boolean> {
  const { rowCount } = await db.orm
    .delete(recoveryCodes)
    .where(and(eq(recoveryCodes.accountId, accountId), eq(recoveryCodes.codeHash, codeHash)));
  return rowCount === 1;
}

/** Takes the second factor off, with its codes. */
export async function disableSecondFactor(db: Database, accountId: string): Promise<void> {
  await inTransaction(db, async ({ orm }) => {
    await orm.update(accounts).set({ totpSecret: null, totpEnabledAt: null }).where(eq(accounts.id, accountId));
    await orm.delete(recoveryCodes).where(eq(recoveryCodes.accountId, accountId));
  });
}
