/** Connected Instagram accounts: their state and their sealed tokens. */
import { newId } from '@tally/core';
import { and, desc, eq, ne, sql } from 'drizzle-orm';
import { type Database, inTransaction } from '../../connect.ts';
import { isOwn, omitColumns, pickColumns, type Selected, selectList } from '../../schema/columns.ts';
import { instagramAccounts } from '../../schema/index.ts';
import { lockAccount } from '../accounts/accounts.ts';

const columns = omitColumns(instagramAccounts, ['accessToken', 'tokenIssuedAt', 'tokenRefreshAt', 'slowUntil']);
export type InstagramAccount = Selected<typeof columns>;

/** How often one person is answered; 0 never. */
export const personLimitColumns = pickColumns(instagramAccounts, [
  'commentsAnHour',
  'commentsADay',
  'messagesAnHour',
  'messagesADay',
]);
export type PersonLimits = Selected<typeof personLimitColumns>;

/** With what only the worker reads. */
export type SendingAccount = InstagramAccount & { accessToken: string; slowForMs: number };
const sendingColumns = `${selectList(columns)}, access_token as "accessToken",
  greatest(0, ceil(extract(epoch from coalesce(slow_until, now()) - now()) * 1000))::integer as "slowForMs"`;

/** What a token is sealed for: it opens in its own row only. */
export const sealContext = (igUserId: string): string => `instagram:${igUserId}`;

/** Connects an account, or gives it a new token; undefined where another tenant has it, or this one has too many. `accessToken` is sealed. */
export async function connectInstagram(
  db: Database,
  input: Pick<SendingAccount, 'accountId' | 'igUserId' | 'username' | 'accessToken' | 'autoReply'> & {
    selfIgScopedId?: string | undefined;
    maxAccounts: number;
  },
): Promise<InstagramAccount | undefined> {
  return inTransaction(db, async (client) => {
    await lockAccount(client, input.accountId);
    const { rows } = await client.query<InstagramAccount>(
      `insert into instagram_accounts (id, account_id, ig_user_id, username, access_token, self_ig_scoped_id, auto_reply)
     select $1, $2, $3, $4, $5, $6, $7
     where (select count(*) from instagram_accounts where account_id = $2 and ig_user_id <> $3) < $8
     on conflict (ig_user_id) do update set username = excluded.username, access_token = excluded.access_token,
       self_ig_scoped_id = coalesce(excluded.self_ig_scoped_id, instagram_accounts.self_ig_scoped_id),
       auto_reply = excluded.auto_reply, state = 'active', state_reason = null, slow_until = null,
       token_issued_at = now(), token_refresh_at = now() + interval '1 day', token_expires_at = null
     where instagram_accounts.account_id = excluded.account_id
     returning ${selectList(columns)}`,
      [
        newId(),
        input.accountId,
        input.igUserId,
        input.username,
        input.accessToken,
        input.selfIgScopedId ?? null,
        input.autoReply,
        input.maxAccounts,
      ],
    );
    return rows[0];
  });
}

export async function listInstagramAccounts(db: Database, accountId: string): Promise<InstagramAccount[]> {
  return db.orm
    .select(columns)
    .from(instagramAccounts)
    .where(eq(instagramAccounts.accountId, accountId))
    .orderBy(desc(instagramAccounts.id))
    .limit(100);
}

/** Changes what an owner may; undefined where the account has no such connection. */
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

/** Writes down what Meta said to the account's subscription; undefined where it was disconnected meanwhile. */
export async function noteWebhooks(
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

/** Forgets a connection and returns its token, still sealed; undefined where the account has no such connection. */
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

/** Stops automatic replies until somebody logs in anew. */
export async function askForLogin(db: Database, igUserId: string, reason: string): Promise<void> {
  await db.orm
    .update(instagramAccounts)
    .set({ state: 'needs_login', stateReason: reason })
    .where(and(eq(instagramAccounts.igUserId, igUserId), ne(instagramAccounts.state, 'needs_login')));
}

/** Lets an account send nothing for a while. */
export async function slowDown(db: Database, igUserId: string, forMs: number): Promise<void> {
  const { slowUntil } = instagramAccounts;
  const until = sql`greatest(coalesce(${slowUntil}, now()), now() + make_interval(secs => ${forMs} / 1000.0))`;
  await db.orm.update(instagramAccounts).set({ slowUntil: until }).where(eq(instagramAccounts.igUserId, igUserId));
}

/** Accounts whose token is to be refreshed now; each is put off by `retryMs`, so that nobody tries it at the same time. */
export async function takeTokensToRefresh(db: Database, limit: number, retryMs: number): Promise<SendingAccount[]> {
  const { rows } = await db.pool.query<SendingAccount>(
    `update instagram_accounts set token_refresh_at = now() + make_interval(secs => $2 / 1000.0)
     where id = any(array(select id from instagram_accounts where state <> 'needs_login' and token_refresh_at <= now()
       order by token_refresh_at limit $1 for update skip locked))
     returning ${sendingColumns}`,
    [limit, retryMs],
  );
  return rows;
}

/** Keeps a refreshed token (sealed), unless another one has come meanwhile. */
export async function keepRefreshedToken(
  db: Database,
  input: { igUserId: string; oldToken: string; newToken: string; expiresInSeconds: number },
): Promise<void> {
  await db.orm
    .update(instagramAccounts)
    .set({
      accessToken: input.newToken,
      tokenIssuedAt: sql`now()`,
      tokenRefreshAt: sql`now() + interval '1 day'`,
      tokenExpiresAt: sql`now() + make_interval(secs => ${input.expiresInSeconds})`,
    })
    .where(and(eq(instagramAccounts.igUserId, input.igUserId), eq(instagramAccounts.accessToken, input.oldToken)));
}
