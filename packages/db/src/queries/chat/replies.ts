/** The one reply to what a job took of a conversation. */
import type { Transaction } from '../../connect.ts';
import { type ChatJob, type Conversation, type PendingMessage, silence } from './turns.ts';

export type Stored = { verdict: 'stored'; text: string } | { verdict: 'changed' } | { verdict: 'paused' };

/**
 * Stores a reply to the messages that this job took, and closes them; the same job's second call changes nothing. Not where
 * one of them has changed or was unsent since it was read, or a human has taken over. To be called under the job's fence.
 */
export async function storeReply(
  client: Transaction,
  input: ChatJob & { replyId: string; conversation: Conversation; pending: PendingMessage[]; text: string },
): Promise<Stored> {
  const { id, igUserId } = input.conversation;
  const { rows } = await client.query<{ isPaused: boolean }>(
    'select paused_at is not null as "isPaused" from conversations where id = $1 and account_id = $2 for update',
    [id, input.accountId],
  );
  if (rows[0]?.isPaused) {
    await silence(client, input.conversation, 'paused');
    return { verdict: 'paused' };
  }
  if (!(await isStillAsked(client, input.pending, igUserId))) return { verdict: 'changed' };
  const stored = await client.query<{ text: string }>(
    `insert into messages as r (id, conversation_id, account_id, role, text, said_at, delivery)
     values ($1, $2, $3, 'assistant', $4, clock_timestamp(), $5)
     on conflict (id) do update set text = case when r.delivery = 'sending' then excluded.text else r.text end
     returning text`,
    [input.replyId, id, input.accountId, input.text, igUserId === null ? null : 'sending'],
  );
  await client.query(
    `update messages set closed_at = coalesce(closed_at, now()), reply_id = $2
     where conversation_id = $3 and answer_job = $1 and unsent_at is null`,
    [input.jobId, input.replyId, id],
  );
  return { verdict: 'stored', text: stored.rows[0]?.text ?? input.text };
}

async function isStillAsked(client: Transaction, pending: PendingMessage[], igUserId: string | null): Promise<boolean> {
  const { rowCount } = await client.query(
    `select from unnest($1::uuid[], $2::text[]) as u (id, text) join messages m on m.id = u.id and m.text = u.text
     where m.unsent_at is null and not exists (select from webhook_events e
       where e.kind = 'message_unsent' and e.external_id = m.external_id and e.ig_user_id = $3)`,
    [pending.map(({ id }) => id), pending.map(({ text }) => text), igUserId],
  );
  return rowCount === pending.length;
}
