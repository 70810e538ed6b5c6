/** The second factor of an account: its sealed TOTP secret, the last time step used, and its recovery codes. */
import { type Database, inTransaction } from '../../connect.ts';
import { and, eq, isNull, lt } from '../../drizzle.ts';
import { accounts, recoveryCodes } from '../../schema/index.ts';

/** The context that a TOTP secret is sealed with. */
export const totpContext = (accountId: string): string => `totp:${accountId}`;

/** Stores a secret that is not enabled yet; false where one is enabled already. */
export async function prepareSecondFactor(db: Database, accountId: string, sealedSecret: string): Promise<boolean> {
  const { rowCount } = await db.orm
    .update(accounts)
    .set({ totpSecret: sealedSecret, totpLastStep: 0 })
    .where(and(eq(accounts.id, accountId), isNull(accounts.totpEnabledAt)));
  return rowCount === 1;
}

/** Consumes the code of a time step; false where that of this step or a later one was used before. */
export async function consumeTotpStep(db: Database, accountId: string, step: number): Promise<boolean> {
  const { rowCount } = await db.orm
    .update(accounts)
    .set({ totpLastStep: step })
    .where(and(eq(accounts.id, accountId), lt(accounts.totpLastStep, step)));
  return rowCount === 1;
}

/** Enables the prepared secret and replaces the recovery codes. */
export async function enableSecondFactor(db: Database, accountId: string, codeHashes: Buffer[]): Promise<void> {
  await inTransaction(db, async ({ orm }) => {
    await orm.update(accounts).set({ totpEnabledAt: new Date() }).where(eq(accounts.id, accountId));
    await orm.delete(recoveryCodes).where(eq(recoveryCodes.accountId, accountId));
    await orm.insert(recoveryCodes).values(codeHashes.map((codeHash) => ({ accountId, codeHash })));
  });
}

/** Consumes a recovery code; false where the account has no such code. */
export async function consumeRecoveryCode(db: Database, accountId: string, codeHash: Buffer): Promise<boolean> {
  const { rowCount } = await db.orm
    .delete(recoveryCodes)
    .where(and(eq(recoveryCodes.accountId, accountId), eq(recoveryCodes.codeHash, codeHash)));
  return rowCount === 1;
}

/** Deletes the second factor and its recovery codes. */
export async function disableSecondFactor(db: Database, accountId: string): Promise<void> {
  await inTransaction(db, async ({ orm }) => {
    await orm.update(accounts).set({ totpSecret: null, totpEnabledAt: null }).where(eq(accounts.id, accountId));
    await orm.delete(recoveryCodes).where(eq(recoveryCodes.accountId, accountId));
  });
}
