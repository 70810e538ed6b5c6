/** Conversations as their owner sees them, and what the owner does about them. */
import { newId } from '@tally/core';
import { and, desc, eq, ne, sql } from 'drizzle-orm';
import { type Database, inTransaction } from '../../connect.ts';
import { isOwn, omitColumns, pickColumns, type Selected, selectList } from '../../schema/columns.ts';
import { conversations, messages } from '../../schema/index.ts';
import { requireRoom } from '../accounts/storage.ts';

const ownColumns = omitColumns(conversations, ['accountId', 'pausedAt']);
export type ConversationView = Selected<typeof ownColumns> & { isPaused: boolean };
const columns = { ...ownColumns, isPaused: sql<boolean>`${conversations.pausedAt} is not null` };

const ownMessageColumns = pickColumns(messages, ['id', 'role', 'text', 'saidAt', 'delivery', 'corrected']);
export type MessageView = Selected<typeof ownMessageColumns> & { isUnsent: boolean };
const messageColumns = { ...ownMessageColumns, isUnsent: sql<boolean>`${messages.unsentAt} is not null` };

type InAccount = { accountId: string; conversationId: string };
/** One account's conversations, the one with the latest message first, `limit` of them after `afterId`. */
export async function listConversations(
  db: Database,
  input: { accountId: string; limit: number; afterId?: string | undefined },
): Promise<ConversationView[]> {
  const { rows } = await db.pool.query<ConversationView>(
    `select ${selectList(ownColumns)}, paused_at is not null as "isPaused" from conversations c where c.account_id = $1
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
  const rows = await db.orm
    .select(columns)
    .from(conversations)
    .where(isOwn(conversations, accountId, id));
  return rows[0];
}

/** The newest `limit` messages of a conversation, oldest first. */
export async function listMessages(db: Database, input: InAccount & { limit: number }): Promise<MessageView[]> {
  const rows = await db.orm
    .select(messageColumns)
    .from(messages)
    .where(and(eq(messages.accountId, input.accountId), eq(messages.conversationId, input.conversationId)))
    .orderBy(desc(messages.saidAt), desc(messages.id))
    .limit(input.limit);
  return rows.reverse();
}

/** Lets a human answer, or the assistant again; undefined where the account has no such conversation. */
export async function setPaused(
  db: Database,
  input: InAccount & { isPaused: boolean },
): Promise<ConversationView | undefined> {
  const rows = await db.orm
    .update(conversations)
    .set({ pausedAt: input.isPaused ? sql`coalesce(${conversations.pausedAt}, now())` : null })
    .where(isOwn(conversations, input.accountId, input.conversationId))
    .returning(columns);
  return rows[0];
}

/** Adds what a human of the business said in a conversation by API; undefined where there is no such conversation. */
export async function insertHumanMessage(
  db: Database,
  input: InAccount & { text: string },
): Promise<MessageView | undefined> {
  return inTransaction(db, async (client) => {
    const { rowCount } = await client.orm
      .update(conversations)
      .set({ lastMessageAt: sql`now()` })
      .where(and(isOwn(conversations, input.accountId, input.conversationId), eq(conversations.channel, 'api')));
    if (rowCount !== 1) return undefined;
    const [message] = await client.orm
      .insert(messages)
      .values({ id: newId(), ...input, role: 'human', saidAt: sql`clock_timestamp()` })
      .returning(messageColumns);
    await requireRoom(client, input.accountId);
    return message;
  });
}

/** Corrects what was said to a customer, as later answers shall read it; undefined where there is no such message of ours. */
export async function correctMessage(
  db: Database,
  input: InAccount & { messageId: string; text: string },
): Promise<MessageView | undefined> {
  const isOurs = and(eq(messages.conversationId, input.conversationId), ne(messages.role, 'customer'));
  return inTransaction(db, async (client) => {
    const [message] = await client.orm
      .update(messages)
      .set({ text: input.text, corrected: true })
      .where(and(isOwn(messages, input.accountId, input.messageId), isOurs))
      .returning(messageColumns);
    await requireRoom(client, input.accountId);
    return message;
  });
}
