/** Connected Instagram accounts: their state and their sealed access tokens. */
import { newId } from '@tally/core';
import { type Database, inTransaction } from '../../connect.ts';
import { and, eq, ne, sql } from '../../drizzle.ts';
import { omitColumns, pickColumns, type Selected, selectList } from '../../schema/columns.ts';
import { instagramAccounts } from '../../schema/index.ts';
import { lockAccount } from '../accounts/accounts.ts';
import { isOwn, listOwn } from '../own-rows.ts';

const columns = omitColumns(instagramAccounts, ['accessToken', 'tokenIssuedAt', 'tokenRefreshAt', 'slowUntil']);
export type InstagramAccount = Selected<typeof columns>;

/** How many automatic replies one person gets an hour and a day; 0 means none. */
export const personLimitColumns = pickColumns(instagramAccounts, [
  'commentsAnHour',
  'commentsADay',
  'messagesAnHour',
  'messagesADay',
]);
export type PersonLimits = Selected<typeof personLimitColumns>;

/** An account with what only the worker reads: the sealed token, and for how long it must not send. */
export type SendingAccount = InstagramAccount & { accessToken: string; slowForMs: number };
const sendingColumns = `${selectList(columns)}, access_token as "accessToken",
  greatest(0, ceil(extract(epoch from coalesce(slow_until, now()) - now()) * 1000))::integer as "slowForMs"`;

/** The context that an access token is sealed with, so that it opens in its own row only. */
export const sealContext = (igUserId: string): string => `instagram:${igUserId}`;

/**
 * Connects an account, or replaces the token of a connected one. `accessToken` is sealed. Undefined where it is another
 * tenant's, or this one has `maxAccounts` others.
 */
export async function connectInstagram(
  db: Database,
  {
    maxAccounts,
    ...input
  }: Pick<SendingAccount, 'accountId' | 'igUserId' | 'username' | 'accessToken' | 'autoReply'> & {
    selfIgScopedId?: string | undefined;
    maxAccounts: number;
  },
): Promise<InstagramAccount | undefined> {
  const { accountId, igUserId, selfIgScopedId } = instagramAccounts;
  const isOther = and(eq(accountId, input.accountId), ne(igUserId, input.igUserId));
  return inTransaction(db, async (client) => {
    await lockAccount(client, input.accountId);
    if ((await client.orm.$count(instagramAccounts, isOther)) >= maxAccounts) return undefined;
    const [account] = await client.orm
      .insert(instagramAccounts)
      .values({ id: newId(), ...input })
      .onConflictDoUpdate({
        target: igUserId,
        set: {
          username: input.username,
          accessToken: input.accessToken,
          selfIgScopedId: input.selfIgScopedId ?? sql`${selfIgScopedId}`,
          autoReply: input.autoReply,
          state: 'active',
          stateReason: null,
          slowUntil: null,
          ...freshToken(null),
        },
        setWhere: eq(accountId, input.accountId),
      })
      .returning(columns);
    return account;
  });
}

/** The times of a token that was issued just now; Meta refreshes none that is younger than a day. */
const freshToken = (expiresInSeconds: number | null) => ({
  tokenIssuedAt: sql`now()`,
  tokenRefreshAt: sql`now() + interval '1 day'`,
  tokenExpiresAt: expiresInSeconds === null ? null : sql`now() + make_interval(secs => ${expiresInSeconds})`,
});

/** An account's connections, newest first, 100 at most. */
export const listInstagramAccounts = (db: Database, accountId: string): Promise<InstagramAccount[]> =>
  listOwn(db, instagramAccounts, columns, { accountId, limit: 100 });

/** Changes what an owner may change; undefined where the account has no such connection. */
export async function changeInstagramAccount(
  db: Database,
  input: {
    accountId: string;
    id: string;
    autoReply?: boolean | undefined;
    isPaused?: boolean | undefined;
    perPerson?: { [Limit in keyof PersonLimits]?: number | undefined };
  },
): Promise<InstagramAccount | undefined> {
  const { state, stateReason } = instagramAccounts;
  const pauses = sql`(${input.isPaused === true} and ${state} = 'active')`;
  const resumes = sql`(${input.isPaused === false} and ${state} = 'paused')`;
  const rows = await db.orm
    .update(instagramAccounts)
    .set({
      autoReply: input.autoReply,
      state: sql`case when ${pauses} then 'paused' when ${resumes} then 'active' else ${state} end`,
      stateReason: sql`case when ${pauses} then 'Paused by its owner' when ${resumes} then null else ${stateReason} end`,
      ...input.perPerson,
    })
    .where(isOwn(instagramAccounts, input.accountId, input.id))
    .returning(columns);
  return rows[0];
}

/** Records how Meta answered the webhook subscription; undefined where the account was disconnected meanwhile. */
export async function recordWebhookSubscription(
  db: Database,
  input: { accountId: string; id: string; fields: string[]; refusal: string | null },
): Promise<InstagramAccount | undefined> {
  const rows = await db.orm
    .update(instagramAccounts)
    .set({ webhookFields: input.fields, webhookRefusal: input.refusal })
    .where(isOwn(instagramAccounts, input.accountId, input.id))
    .returning(columns);
  return rows[0];
}

/** Deletes a connection and returns its sealed token; undefined where the account has no such connection. */
export async function disconnectInstagram(
  db: Database,
  accountId: string,
  id: string,
): Promise<Pick<SendingAccount, 'igUserId' | 'accessToken'> | undefined> {
  const rows = await db.orm
    .delete(instagramAccounts)
    .where(isOwn(instagramAccounts, accountId, id))
    .returning(pickColumns(instagramAccounts, ['igUserId', 'accessToken']));
  return rows[0];
}

/** One tenant's connection with its sealed token. */
export async function findSendingAccount(
  db: Database,
  accountId: string,
  igUserId: string,
): Promise<SendingAccount | undefined> {
  const { rows } = await db.hot.query<SendingAccount>({
    name: 'find_sending_account',
    text: `select ${sendingColumns} from instagram_accounts where ig_user_id = $2 and account_id = $1`,
    values: [accountId, igUserId],
  });
  return rows[0];
}

/** Stops automatic replies until the account is connected again. */
export async function requireLogin(db: Database, igUserId: string, reason: string): Promise<void> {
  await db.orm
    .update(instagramAccounts)
    .set({ state: 'needs_login', stateReason: reason })
    .where(and(eq(instagramAccounts.igUserId, igUserId), ne(instagramAccounts.state, 'needs_login')));
}

/** Pauses all sends of an account for at least `forMs`. */
export async function slowDown(db: Database, igUserId: string, forMs: number): Promise<void> {
  const { slowUntil } = instagramAccounts;
  const until = sql`greatest(coalesce(${slowUntil}, now()), now() + make_interval(secs => ${forMs} / 1000.0))`;
  await db.orm.update(instagramAccounts).set({ slowUntil: until }).where(eq(instagramAccounts.igUserId, igUserId));
}

/** Claims accounts whose token is due for a refresh. Each is due again after `retryMs`, so only one worker tries. */
export async function claimTokenRefreshes(db: Database, limit: number, retryMs: number): Promise<SendingAccount[]> {
  const { rows } = await db.pool.query<SendingAccount>(
    `update instagram_accounts set token_refresh_at = now() + make_interval(secs => $2 / 1000.0)
     where id = any(array(select id from instagram_accounts where state <> 'needs_login' and token_refresh_at <= now()
       order by token_refresh_at limit $1 for update skip locked))
     returning ${sendingColumns}`,
    [limit, retryMs],
  );
  return rows;
}

/** Stores a refreshed token (sealed), unless the old one has been replaced meanwhile. */
export async function storeRefreshedToken(
  db: Database,
  input: { igUserId: string; oldToken: string; newToken: string; expiresInSeconds: number },
): Promise<void> {
  await db.orm
    .update(instagramAccounts)
    .set({ accessToken: input.newToken, ...freshToken(input.expiresInSeconds) })
    .where(and(eq(instagramAccounts.igUserId, input.igUserId), eq(instagramAccounts.accessToken, input.oldToken)));
}
