/** Connected Instagram accounts: their state and their sealed tokens. */
import { newId } from '@tally/core';
import { type Database, inTransaction } from '../../connect.ts';
import { lockAccount } from '../accounts/accounts.ts';

export type InstagramState = 'active' | 'needs_login' | 'paused';

export type InstagramAccount = {
  id: string;
  accountId: string;
  igUserId: string;
  username: string;
  selfIgScopedId: string | null;
  autoReply: boolean;
  state: InstagramState;
  stateReason: string | null;
  tokenExpiresAt: Date | null;
  /** The fields of Meta's webhooks that it is subscribed to; none where it is not. */
  webhookFields: string[];
  webhookRefusal: string | null;
  createdAt: Date;
} & PersonLimits;

/** How often one person is answered; 0 never. */
export type PersonLimits = {
  commentsAnHour: number;
  commentsADay: number;
  messagesAnHour: number;
  messagesADay: number;
};
export const personLimitColumns = `comments_an_hour as "commentsAnHour", comments_a_day as "commentsADay",
  messages_an_hour as "messagesAnHour", messages_a_day as "messagesADay"`;

/** With what only the worker reads. */
export type SendingAccount = InstagramAccount & { accessToken: string; slowForMs: number };

const columns = `id, account_id as "accountId", ig_user_id as "igUserId", username, self_ig_scoped_id as "selfIgScopedId",
  auto_reply as "autoReply", state, state_reason as "stateReason", token_expires_at as "tokenExpiresAt",
  webhook_fields as "webhookFields", webhook_refusal as "webhookRefusal", created_at as "createdAt", ${personLimitColumns}`;
const sendingColumns = `${columns}, access_token as "accessToken",
  greatest(0, ceil(extract(epoch from coalesce(slow_until, now()) - now()) * 1000))::integer as "slowForMs"`;

/** What a token is sealed for: it opens in its own row only. */
export const sealContext = (igUserId: string): string => `instagram:${igUserId}`;

/** Connects an account, or gives it a new token; undefined where another tenant has it, or this one has too many. `accessToken` is sealed. */
export async function connectInstagram(
  db: Database,
  input: {
    accountId: string;
    igUserId: string;
    username: string;
    accessToken: string;
    selfIgScopedId?: string | undefined;
    autoReply: boolean;
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
     returning ${columns}`,
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
  const { rows } = await db.pool.query<InstagramAccount>(
    `select ${columns} from instagram_accounts where account_id = $1 order by id desc limit 100`,
    [accountId],
  );
  return rows;
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
  const { perPerson = {} } = input;
  const { rows } = await db.pool.query<InstagramAccount>(
    `update instagram_accounts set auto_reply = coalesce($3, auto_reply),
       state = case when $4 and state = 'active' then 'paused' when not $4 and state = 'paused' then 'active' else state end,
       state_reason = case when $4 and state = 'active' then 'Paused by its owner' when not $4 and state = 'paused' then null
         else state_reason end,
       comments_an_hour = coalesce($5, comments_an_hour), comments_a_day = coalesce($6, comments_a_day),
       messages_an_hour = coalesce($7, messages_an_hour), messages_a_day = coalesce($8, messages_a_day)
     where account_id = $1 and id = $2 returning ${columns}`,
    [
      input.accountId,
      input.id,
      input.autoReply ?? null,
      input.isPaused ?? null,
      perPerson.commentsAnHour,
      perPerson.commentsADay,
      perPerson.messagesAnHour,
      perPerson.messagesADay,
    ],
  );
  return rows[0];
}

/** Writes down what Meta said to the account's subscription; undefined where it was disconnected meanwhile. */
export async function noteWebhooks(
  db: Database,
  input: { accountId: string; id: string; fields: string[]; refusal: string | null },
): Promise<InstagramAccount | undefined> {
  const { rows } = await db.pool.query<InstagramAccount>(
    `update instagram_accounts set webhook_fields = $3, webhook_refusal = $4
     where account_id = $1 and id = $2 returning ${columns}`,
    [input.accountId, input.id, input.fields, input.refusal],
  );
  return rows[0];
}

/** Forgets a connection and returns its token, still sealed; undefined where the account has no such connection. */
export async function disconnectInstagram(
  db: Database,
  accountId: string,
  id: string,
): Promise<{ igUserId: string; accessToken: string } | undefined> {
  const { rows } = await db.pool.query<{ igUserId: string; accessToken: string }>(
    `delete from instagram_accounts where account_id = $1 and id = $2
     returning ig_user_id as "igUserId", access_token as "accessToken"`,
    [accountId, id],
  );
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
  await db.pool.query(
    `update instagram_accounts set state = 'needs_login', state_reason = $2 where ig_user_id = $1 and state <> 'needs_login'`,
    [igUserId, reason],
  );
}

/** Lets an account send nothing for a while. */
export async function slowDown(db: Database, igUserId: string, forMs: number): Promise<void> {
  await db.pool.query(
    `update instagram_accounts set slow_until = greatest(coalesce(slow_until, now()), now() + make_interval(secs => $2 / 1000.0))
     where ig_user_id = $1`,
    [igUserId, forMs],
  );
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
  await db.pool.query(
    `update instagram_accounts set access_token = $3, token_issued_at = now(),
       token_refresh_at = now() + interval '1 day', token_expires_at = now() + make_interval(secs => $4)
     where ig_user_id = $1 and access_token = $2`,
    [input.igUserId, input.oldToken, input.newToken, input.expiresInSeconds],
  );
}
