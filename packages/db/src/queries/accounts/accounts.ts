/** Accounts and their API keys. */
import { newId } from '@tally/core';
import { and, desc, eq, inArray, isNotNull, isNull, sql } from 'drizzle-orm';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { isOwn, pickColumns, type RowOf, type Selected } from '../../schema/columns.ts';
import { accounts, apiKeys } from '../../schema/index.ts';

export type Account = typeof accounts.$inferSelect;
export type Role = Account['role'];

/** Whose request it is. */
export type Identity = Pick<Account, 'role' | 'tokenVersion'> & {
  accountId: string;
  hasSecondFactor: boolean;
  /** What an operator may do as one: by a login all, by a key what that was made for. */
  operatorScope: ApiKey['operatorScope'];
};

/** Inserts an account; undefined where the address (any case) is taken. */
export async function insertAccount(
  db: Database,
  { isConfirmed, ...input }: Pick<Account, 'email' | 'passwordHash' | 'role'> & { isConfirmed: boolean },
): Promise<Account | undefined> {
  const [account] = await db.orm
    .insert(accounts)
    .values({
      id: newId(),
      ...input,
      email: input.email.toLowerCase(),
      emailConfirmedAt: isConfirmed ? new Date() : null,
    })
    .onConflictDoNothing()
    .returning();
  return account;
}

/** Addresses of the demo accounts, whose password everybody knows; nobody else has one there (RFC 2606). */
export const demoAddresses = ['demo', 'operator', 'empty', 'expired', 'inactive', 'none'].map(
  (name) => `${name}@example.com`,
);

/** Which of the demo accounts there are. */
export async function listDemoAccounts(db: Database): Promise<string[]> {
  const rows = await db.orm
    .select({ email: accounts.email })
    .from(accounts)
    .where(
      and(inArray(accounts.email, demoAddresses), isNull(accounts.erasedAt), isNotNull(accounts.emailConfirmedAt)),
    );
  return rows.map(({ email }) => email);
}

/** An erased account is nobody's: it has an address only because the column wants one. */
export async function findAccountByEmail(db: Database, email: string): Promise<Account | undefined> {
  const rows = await db.orm
    .select()
    .from(accounts)
    .where(and(eq(accounts.email, email.toLowerCase()), isNull(accounts.erasedAt)));
  return rows[0];
}

export async function findAccount(db: Database, accountId: string): Promise<Account | undefined> {
  const rows = await db.orm.select().from(accounts).where(eq(accounts.id, accountId));
  return rows[0];
}

/** What became of logins and keys: the version that new tokens carry, and keys that were ended and that go on. */
export type EndedSessions = { tokenVersion: number; endedKeys: number; keptKeys: number };

/**
 * Ends every bearer token given out before, and the API keys where that is wanted; with a new password where one is given.
 * Undefined where the account is gone, or its version is not `ofVersion` any more.
 */
export async function endSessions(
  db: Database,
  accountId: string,
  { passwordHash, endKeys, ofVersion }: { passwordHash?: string; endKeys: boolean; ofVersion?: number },
): Promise<EndedSessions | undefined> {
  return inTransaction(db, async ({ orm }) => {
    const [account] = await orm
      .update(accounts)
      .set({ tokenVersion: sql`${accounts.tokenVersion} + 1`, ...(passwordHash !== undefined && { passwordHash }) })
      .where(
        and(
          eq(accounts.id, accountId),
          isNull(accounts.erasedAt),
          ofVersion === undefined ? undefined : eq(accounts.tokenVersion, ofVersion),
        ),
      )
      .returning({ tokenVersion: accounts.tokenVersion });
    if (account === undefined) return undefined;
    const ofAccount = eq(apiKeys.accountId, accountId);
    const ended = endKeys ? await orm.delete(apiKeys).where(ofAccount) : undefined;
    return { ...account, endedKeys: ended?.rowCount ?? 0, keptKeys: await orm.$count(apiKeys, ofAccount) };
  });
}

/**
 * Suspends an account, or ends that (`reason` null): it uses nothing and its period is not renewed meanwhile, and all that
 * it has stays as it is. Who is suspended already stays so from the first time on.
 */
export async function setSuspended(db: Database, accountId: string, reason: string | null): Promise<void> {
  const suspendedAt = reason === null ? null : sql`coalesce(${accounts.suspendedAt}, now())`;
  await db.orm.update(accounts).set({ suspendedAt, suspendedReason: reason }).where(eq(accounts.id, accountId));
}

export async function setRole(db: Database, accountId: string, role: Role): Promise<void> {
  await inTransaction(db, async ({ orm }) => {
    await orm.update(accounts).set({ role }).where(eq(accounts.id, accountId));
    // Keys from before were made by somebody who was none.
    await orm.update(apiKeys).set({ operatorScope: 'none' }).where(eq(apiKeys.accountId, accountId));
  });
}

type IdentityRow = Pick<RowOf<typeof accounts>, 'id' | 'role' | 'token_version'> &
  Partial<Pick<RowOf<typeof apiKeys>, 'operator_scope'>> & { has_second_factor: boolean };
const toIdentity = (row: IdentityRow): Identity => ({
  accountId: row.id,
  role: row.role,
  tokenVersion: row.token_version,
  hasSecondFactor: row.has_second_factor,
  operatorScope: row.operator_scope ?? 'write',
});

/** The identities of accounts, in order; undefined where there is no such account. */
export async function readIdentities(db: Database, accountIds: string[]): Promise<(Identity | undefined)[]> {
  const { rows } = await db.hot.query<IdentityRow>({
    name: 'read_identities',
    text: `select id, role, token_version, totp_enabled_at is not null as has_second_factor
      from accounts where id = any($1::uuid[]) and erased_at is null`,
    values: [accountIds],
  });
  const byId = new Map(rows.map((row) => [row.id, toIdentity(row)]));
  return accountIds.map((id) => byId.get(id));
}

/** The identity behind an API key's SHA-256 hash. */
export async function findIdentityByKey(db: Database, keyHash: Buffer): Promise<Identity | undefined> {
  const { rows } = await db.hot.query<IdentityRow>({
    name: 'find_identity_by_key',
    text: `select a.id, a.role, a.token_version, a.totp_enabled_at is not null as has_second_factor, k.operator_scope
      from api_keys k join accounts a on a.id = k.account_id
      where k.key_hash = $1 and a.erased_at is null`,
    values: [keyHash],
  });
  return rows[0] && toIdentity(rows[0]);
}

const keyColumns = pickColumns(apiKeys, ['id', 'name', 'hint', 'operatorScope', 'createdAt']);
export type ApiKey = Selected<typeof keyColumns>;

/**
 * Undefined where the account has `most` keys already. With a token version, `login_ended` where that is not the account's any
 * more: a request that began before a password was changed must not make a key after it.
 */
export async function insertApiKey(
  db: Database,
  input: Omit<typeof apiKeys.$inferInsert, 'id' | 'createdAt'>,
  most: number,
  tokenVersion?: number,
): Promise<ApiKey | 'login_ended' | undefined> {
  return inTransaction(db, async (client) => {
    if (!(await lockAccount(client, input.accountId, tokenVersion))) return 'login_ended';
    if ((await client.orm.$count(apiKeys, eq(apiKeys.accountId, input.accountId))) >= most) return undefined;
    const [row] = await client.orm
      .insert(apiKeys)
      .values({ id: newId(), ...input })
      .returning(keyColumns);
    return row;
  });
}

/**
 * Whoever counts an account's rows before it adds one takes turns: a hundred at once would each find room for one. False where
 * the account's token version is another one.
 */
export async function lockAccount(client: Transaction, accountId: string, tokenVersion?: number): Promise<boolean> {
  const [account] = await client.orm
    .select({ tokenVersion: accounts.tokenVersion })
    .from(accounts)
    .where(eq(accounts.id, accountId))
    .for('no key update');
  return tokenVersion === undefined || account?.tokenVersion === tokenVersion;
}

export async function listApiKeys(db: Database, accountId: string): Promise<ApiKey[]> {
  return db.orm
    .select(keyColumns)
    .from(apiKeys)
    .where(eq(apiKeys.accountId, accountId))
    .orderBy(desc(apiKeys.id))
    .limit(100);
}

/** False where the account has no such key. */
export async function deleteApiKey(db: Database, accountId: string, keyId: string): Promise<boolean> {
  const { rowCount } = await db.orm.delete(apiKeys).where(isOwn(apiKeys, accountId, keyId));
  return rowCount === 1;
}
