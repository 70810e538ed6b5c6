/** Accounts and their API keys. */
import { newId } from '@tally/core';
import { type Database, inTransaction, type Transaction } from '../../connect.ts';
import { and, eq, inArray, isNotNull, isNull, sql } from '../../drizzle.ts';
import { pickColumns, type Selected } from '../../schema/columns.ts';
import { accounts, apiKeys } from '../../schema/index.ts';
import { deleteOwn, listOwn } from '../own-rows.ts';

export type Account = typeof accounts.$inferSelect;
export type Role = Account['role'];

/** Who makes a request. */
export type Identity = Pick<Account, 'role' | 'tokenVersion'> & {
  accountId: string;
  hasSecondFactor: boolean;
  /** What an operator may do: everything with a login, the key's scope with an API key. */
  operatorScope: ApiKey['operatorScope'];
};

/** Inserts an account; undefined where the address is taken, in any case of its letters. */
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

/** Addresses of the demo accounts, whose password is public. Their domain has no mailboxes (RFC 2606). */
export const demoAddresses = ['demo', 'operator', 'empty', 'expired', 'inactive', 'none'].map(
  (name) => `${name}@example.com`,
);

/** The addresses of the demo accounts that exist. */
export async function listDemoAccounts(db: Database): Promise<string[]> {
  const rows = await db.orm
    .select({ email: accounts.email })
    .from(accounts)
    .where(
      and(inArray(accounts.email, demoAddresses), isNull(accounts.erasedAt), isNotNull(accounts.emailConfirmedAt)),
    );
  return rows.map(({ email }) => email);
}

/** Erased accounts are not found by their address. */
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

/** The token version of new logins, and how many API keys were deleted and kept. */
export type EndedSessions = { tokenVersion: number; endedKeys: number; keptKeys: number };

/**
 * Revokes every bearer token, deletes the API keys with `endKeys`, and sets the password where one is given.
 * Undefined where the account was erased, or its token version is no longer `ofVersion`.
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
 * Suspends an account, or ends its suspension (`reason` null). A suspended account can use no AI and its period is not
 * renewed; its data stays. A second suspension keeps the time of the first.
 */
export async function setSuspended(db: Database, accountId: string, reason: string | null): Promise<void> {
  const suspendedAt = reason === null ? null : sql`coalesce(${accounts.suspendedAt}, now())`;
  await db.orm.update(accounts).set({ suspendedAt, suspendedReason: reason }).where(eq(accounts.id, accountId));
}

export async function setRole(db: Database, accountId: string, role: Role): Promise<void> {
  await inTransaction(db, async ({ orm }) => {
    await orm.update(accounts).set({ role }).where(eq(accounts.id, accountId));
    // Existing keys were made under another role.
    await orm.update(apiKeys).set({ operatorScope: 'none' }).where(eq(apiKeys.accountId, accountId));
  });
}

const identityColumns = `a.id as "accountId", a.role, a.token_version as "tokenVersion",
  a.totp_enabled_at is not null as "hasSecondFactor"`;

/** The identities of accounts with a login, in order; undefined where there is no such account. */
export async function readIdentities(db: Database, accountIds: string[]): Promise<(Identity | undefined)[]> {
  const { rows } = await db.hot.query<Identity>({
    name: 'read_identities',
    text: `select ${identityColumns}, 'write' as "operatorScope"
      from accounts a where a.id = any($1::uuid[]) and a.erased_at is null`,
    values: [accountIds],
  });
  const byId = new Map(rows.map((identity) => [identity.accountId, identity]));
  return accountIds.map((id) => byId.get(id));
}

/** The identity behind an API key's SHA-256 hash. */
export async function findIdentityByKey(db: Database, keyHash: Buffer): Promise<Identity | undefined> {
  const { rows } = await db.hot.query<Identity>({
    name: 'find_identity_by_key',
    text: `select ${identityColumns}, k.operator_scope as "operatorScope"
      from api_keys k join accounts a on a.id = k.account_id where k.key_hash = $1 and a.erased_at is null`,
    values: [keyHash],
  });
  return rows[0];
}

const keyColumns = pickColumns(apiKeys, ['id', 'name', 'hint', 'operatorScope', 'createdAt']);
export type ApiKey = Selected<typeof keyColumns>;

/**
 * Inserts an API key; undefined where the account has `maxKeys` already. `login_ended` where the token version is given
 * and no longer the account's: a request that began before a password change must not make a key after it.
 */
export async function insertApiKey(
  db: Database,
  input: Omit<typeof apiKeys.$inferInsert, 'id' | 'createdAt'>,
  maxKeys: number,
  tokenVersion?: number,
): Promise<ApiKey | 'login_ended' | undefined> {
  return inTransaction(db, async (client) => {
    if (!(await lockAccount(client, input.accountId, tokenVersion))) return 'login_ended';
    if ((await client.orm.$count(apiKeys, eq(apiKeys.accountId, input.accountId))) >= maxKeys) return undefined;
    const [row] = await client.orm
      .insert(apiKeys)
      .values({ id: newId(), ...input })
      .returning(keyColumns);
    return row;
  });
}

/**
 * Locks the account's row, which serializes transactions that count its other rows before they add one. False where a
 * token version is given and not the account's.
 */
export async function lockAccount(client: Transaction, accountId: string, tokenVersion?: number): Promise<boolean> {
  const [account] = await client.orm
    .select({ tokenVersion: accounts.tokenVersion })
    .from(accounts)
    .where(eq(accounts.id, accountId))
    .for('no key update');
  return tokenVersion === undefined || account?.tokenVersion === tokenVersion;
}

/** An account's keys, newest first, 100 at most. */
export const listApiKeys = (db: Database, accountId: string): Promise<ApiKey[]> =>
  listOwn(db, apiKeys, keyColumns, { accountId, limit: 100 });

/** False where the account has no such key. */
export const deleteApiKey = (db: Database, accountId: string, keyId: string): Promise<boolean> =>
  deleteOwn(db, apiKeys, accountId, keyId);
