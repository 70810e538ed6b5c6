/** Conversations as their owner sees them, and what the owner does about them. */
import { newId } from '@tally/core';
import { type Database, inTransaction } from '../../connect.ts';
import { requireRoom } from '../accounts/storage.ts';

export type ConversationView = {
  id: string;
  channel: 'api' | 'instagram';
  igUserId: string | null;
  customer: string;
  isPaused: boolean;
  createdAt: Date;
  lastMessageAt: Date;
};

export type MessageView = {
  id: string;
  role: 'customer' | 'assistant' | 'human';
  text: string;
  saidAt: Date;
  isUnsent: boolean;
  delivery: 'sending' | 'sent' | 'failed' | 'uncertain' | null;
  corrected: boolean;
};

const columns = `id, channel, ig_user_id as "igUserId", customer, paused_at is not null as "isPaused",
  created_at as "createdAt", last_message_at as "lastMessageAt"`;
const messageColumns = `id, role, text, said_at as "saidAt", unsent_at is not null as "isUnsent", delivery, corrected`;

/** One account's conversations, the one with the latest message first, `limit` of them after `afterId`. */
export async function listConversations(
  db: Database,
  input: { accountId: string; limit: number; afterId?: string | undefined },
): Promise<ConversationView[]> {
  const { rows } = await db.pool.query<ConversationView>(
    `select ${columns} from conversations c where c.account_id = $1
       and ($2::uuid is null or (c.last_message_at, c.id) <
         (select p.last_message_at, p.id from conversations p where p.id = $2 and p.account_id = $1))
     order by c.last_message_at desc, c.id desc limit $3`,
    [input.accountId, input.afterId ?? null, input.limit],
  );
  return rows;
}

/** One account's conversation, or undefined. */
export async function findConversation(
  db: Database,
  accountId: string,
  id: string,
): Promise<ConversationView | undefined> {
  const { rows } = await db.pool.query<ConversationView>(
    `select ${columns} from conversations where account_id = $1 and id = $2`,
    [accountId, id],
  );
  return rows[0];
}

/** The newest `limit` messages of a conversation, oldest first. */
export async function listMessages(
  db: Database,
  input: { accountId: string; conversationId: string; limit: number },
): Promise<MessageView[]> {
  const { rows } = await db.pool.query<MessageView>(
    `select ${messageColumns} from messages where account_id = $1 and conversation_id = $2
     order by said_at desc, id desc limit $3`,
    [input.accountId, input.conversationId, input.limit],
  );
  return rows.reverse();
}

/** Lets a human answer, or the assistant again; undefined where the account has no such conversation. */
export async function setPaused(
  db: Database,
  input: { accountId: string; conversationId: string; isPaused: boolean },
): Promise<ConversationView | undefined> {
  const { rows } = await db.pool.query<ConversationView>(
    `update conversations set paused_at = case when $3 then coalesce(paused_at, now()) end
     where account_id = $1 and id = $2 returning ${columns}`,
    [input.accountId, input.conversationId, input.isPaused],
  );
  return rows[0];
}

/** Adds what a human of the business said in a conversation by API; undefined where there is no such conversation. */
export async function insertHumanMessage(
  db: Database,
  input: { accountId: string; conversationId: string; text: string },
): Promise<MessageView | undefined> {
  return inTransaction(db, async (client) => {
    const { rowCount } = await client.query(
      `update conversations set last_message_at = now() where account_id = $1 and id = $2 and channel = 'api'`,
      [input.accountId, input.conversationId],
    );
    if (rowCount !== 1) return undefined;
    const { rows } = await client.query<MessageView>(
      `insert into messages (id, conversation_id, account_id, role, text, said_at)
       values ($1, $2, $3, 'human', $4, clock_timestamp()) returning ${messageColumns}`,
      [newId(), input.conversationId, input.accountId, input.text],
    );
    await requireRoom(client, input.accountId);
    return rows[0];
  });
}

/** Corrects what was said to a customer, as later answers shall read it; undefined where there is no such message of ours. */
export async function correctMessage(
  db: Database,
  input: { accountId: string; conversationId: string; messageId: string; text: string },
): Promise<MessageView | undefined> {
  return inTransaction(db, async (client) => {
    const { rows } = await client.query<MessageView>(
      `update messages set text = $4, corrected = true
       where account_id = $1 and conversation_id = $2 and id = $3 and role <> 'customer' returning ${messageColumns}`,
      [input.accountId, input.conversationId, input.messageId, input.text],
    );
    await requireRoom(client, input.accountId);
    return rows[0];
  });
}
