/** The reply of a job to the messages that it has claimed. */
import type { Transaction } from '../../connect.ts';
import { and, eq, isNull, sql } from '../../drizzle.ts';
import type { RowOf } from '../../schema/columns.ts';
import { conversations, messages } from '../../schema/index.ts';
import { type ChatJob, type Conversation, closeUnanswered, type PendingMessage } from './turns.ts';

export type Stored = { verdict: 'stored'; text: string } | { verdict: 'changed' } | { verdict: 'paused' };

/**
 * Stores the reply to the messages that this job has claimed, and closes them; repeating it changes nothing. `changed`
 * where one of them was edited or unsent since it was read, `paused` where a human has taken over. To be called under
 * the job's fence.
 */
export async function storeReply(
  client: Transaction,
  input: ChatJob & { replyId: string; conversation: Conversation; pending: PendingMessage[]; text: string },
): Promise<Stored> {
  const { id, igUserId } = input.conversation;
  const [known] = await client.orm
    .select({ pausedAt: conversations.pausedAt })
    .from(conversations)
    .where(and(eq(conversations.id, id), eq(conversations.accountId, input.accountId)))
    .for('update');
  if (known !== undefined && known.pausedAt !== null) {
    await closeUnanswered(client, input.conversation, 'paused');
    return { verdict: 'paused' };
  }
  if (!(await areUnchanged(client, input.pending, igUserId))) return { verdict: 'changed' };
  const stored = await client.query<Pick<RowOf<typeof messages>, 'text'>>(
    `insert into messages as r (id, conversation_id, account_id, role, text, said_at, delivery)
     values ($1, $2, $3, 'assistant', $4, clock_timestamp(), $5)
     on conflict (id) do update set text = case when r.delivery = 'sending' then excluded.text else r.text end
     returning text`,
    [input.replyId, id, input.accountId, input.text, igUserId === null ? null : 'sending'],
  );
  const isClaimed = and(eq(messages.answerJob, input.jobId), isNull(messages.unsentAt));
  await client.orm
    .update(messages)
    .set({ closedAt: sql`coalesce(${messages.closedAt}, now())`, replyId: input.replyId })
    .where(and(eq(messages.conversationId, id), isClaimed));
  return { verdict: 'stored', text: stored.rows[0]?.text ?? input.text };
}

async function areUnchanged(client: Transaction, pending: PendingMessage[], igUserId: string | null): Promise<boolean> {
  const { rowCount } = await client.query(
    `select from unnest($1::uuid[], $2::text[]) as u (id, text) join messages m on m.id = u.id and m.text = u.text
     where m.unsent_at is null and not exists (select from webhook_events e
       where e.kind = 'message_unsent' and e.external_id = m.external_id and e.ig_user_id = $3)`,
    [pending.map(({ id }) => id), pending.map(({ text }) => text), igUserId],
  );
  return rowCount === pending.length;
}
