/** Conversations as their owner sees them: reading, pausing, answering by hand, correcting. */
import { newId } from '@tally/core';
import { type Database, inTransaction } from '../../connect.ts';
import { and, desc, eq, ne, sql } from '../../drizzle.ts';
import { omitColumns, pickColumns, type Selected } from '../../schema/columns.ts';
import { conversations, messages } from '../../schema/index.ts';
import { requireStorage } from '../accounts/storage.ts';
import { findOwn, isOwn } from '../own-rows.ts';

const columns = {
  ...omitColumns(conversations, ['accountId', 'pausedAt']),
  isPaused: sql<boolean>`${conversations.pausedAt} is not null`,
};
export type ConversationView = Selected<typeof columns>;

const messageColumns = {
  ...pickColumns(messages, ['id', 'role', 'text', 'saidAt', 'delivery', 'corrected']),
  isUnsent: sql<boolean>`${messages.unsentAt} is not null`,
};
export type MessageView = Selected<typeof messageColumns>;

type InAccount = { accountId: string; conversationId: string };

/** A page of an account's conversations after `afterId`, the one with the latest message first. */
export async function listConversations(
  db: Database,
  input: { accountId: string; limit: number; afterId?: string | undefined },
): Promise<ConversationView[]> {
  const { accountId, lastMessageAt, id } = conversations;
  const previous = sql`(select p.last_message_at, p.id from ${conversations} p
    where p.id = ${input.afterId} and p.account_id = ${input.accountId})`;
  const isAfter = input.afterId === undefined ? undefined : sql`(${lastMessageAt}, ${id}) < ${previous}`;
  return db.orm
    .select(columns)
    .from(conversations)
    .where(and(eq(accountId, input.accountId), isAfter))
    .orderBy(desc(lastMessageAt), desc(id))
    .limit(input.limit);
}

/** One account's conversation, or undefined. */
export const findConversation = (db: Database, accountId: string, id: string): Promise<ConversationView | undefined> =>
  findOwn(db, conversations, columns, accountId, id);

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

/** Pauses or resumes the assistant's answers; undefined where the account has no such conversation. */
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

/** Adds a human agent's message to an API conversation; undefined where the account has no such conversation. */
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
    await requireStorage(client, input.accountId);
    return message;
  });
}

/** Corrects the text of a message to a customer, which later answers read; undefined where there is none. */
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
    await requireStorage(client, input.accountId);
    return message;
  });
}
