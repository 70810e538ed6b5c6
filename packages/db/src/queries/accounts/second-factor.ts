/** The second factor of an account: its sealed secret, the codes that were taken, and codes for the day the device is lost. */
import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { type Database, inTransaction } from '../../connect.ts';
import { accounts, recoveryCodes } from '../../schema.ts';

/** What a TOTP secret is sealed for. */
export const totpContext = (accountId: string): string => `totp:${accountId}`;

/** Keeps a secret that is not in force yet; false where one is in force. */
export async function prepareSecondFactor(db: Database, accountId: string, sealedSecret: string): Promise<boolean> {
  const { rowCount } = await db.pool.query(
    'update accounts set totp_secret = $2, totp_last_step = 0 where id = $1 and totp_enabled_at is null',
    [accountId, sealedSecret],
  );
  return rowCount === 1;
}

/** Takes a code of this time step, once; false where it, or a later one, was taken before. */
export async function takeCode(db: Database, accountId: string, step: number): Promise<boolean> {
  const { rowCount } = await db.pool.query(
    'update accounts set totp_last_step = $2 where id = $1 and totp_last_step < $2',
    [accountId, step],
  );
  return rowCount === 1;
}

/** Puts the prepared secret into force, with new recovery codes. */
export async function enableSecondFactor(db: Database, accountId: string, codeHashes: Buffer[]): Promise<void> {
  await inTransaction(db, async (client) => {
    const orm = drizzle(client);
    await orm.update(accounts).set({ totpEnabledAt: new Date() }).where(eq(accounts.id, accountId));
    await orm.delete(recoveryCodes).where(eq(recoveryCodes.accountId, accountId));
    await orm.insert(recoveryCodes).values(codeHashes.map((codeHash) => ({ accountId, codeHash })));
  });
}

/** Uses up a recovery code; false where it is none. */
export async function takeRecoveryCode(db: Database, accountId: string, codeHash: Buffer): Promise<boolean> {
  const { rowCount } = await db.pool.query('delete from recovery_codes where account_id = $1 and code_hash = $2', [
    accountId,
    codeHash,
  ]);
  return rowCount === 1;
}

/** Takes the second factor off, with its codes. */
export async function disableSecondFactor(db: Database, accountId: string): Promise<void> {
  await inTransaction(db, async (client) => {
    const orm = drizzle(client);
    await orm.update(accounts).set({ totpSecret: null, totpEnabledAt: null }).where(eq(accounts.id, accountId));
    await orm.delete(recoveryCodes).where(eq(recoveryCodes.accountId, accountId));
  });
}
