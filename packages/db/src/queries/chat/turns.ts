/** Whose turn it is in a conversation: each is answered in order, and messages that come together get one reply. */

import { newId } from '@tally/core';
import { and, desc, eq, gt, isNull, sql } from 'drizzle-orm';
import type { Transaction } from '../../connect.ts';
import { pickColumns, type Selected, selectList } from '../../schema/columns.ts';
import { conversations, messages } from '../../schema/index.ts';
import { isOptedOut } from '../instagram/sends.ts';

export type ChatLimits = {
  /** A reply waits until the customer has been silent for so long… */
  quietMs: number;
  /** …but no longer than this after the first unanswered message. */
  maxWaitMs: number;
  /** How many replies a conversation on Instagram may get within an hour: two bots would talk for ever. */
  repliesAnHour: number;
  /** How many earlier turns the model sees. */
  turnsShown: number;
  /** Of messages that are answered together, the newest so many are read; the others are closed with them. */
  messagesRead: number;
  /** How long a message that is not to be answered yet waits, by how often it has waited. */
  waitMs: (waits: number) => number;
};

type Message = typeof messages.$inferSelect;
export type Turn = Pick<Message, 'role' | 'text'>;

type Silence = Exclude<Message['silence'], 'failed' | null>;

/** The conversation of one of its messages, and what is to be done about that message now. */
export type TurnOutcome =
  | { verdict: 'answer'; conversation: Conversation; pending: PendingMessage[]; earlier: Turn[] }
  | { verdict: 'answered'; conversation: Conversation; reply: string }
  /** It was answered together with others, and the answer never arrived. */
  | { verdict: 'undelivered' }
  | { verdict: 'silent'; conversation: Conversation; why: Silence }
  /** Another message of the conversation is being answered, or the customer is still writing. */
  | { verdict: 'wait'; delayMs: number }
  | { verdict: 'no_conversation' };

const conversationColumns = pickColumns(conversations, ['id', 'channel', 'igUserId', 'customer']);
export type Conversation = Selected<typeof conversationColumns> & { isPaused: boolean };

export type NewMessage = { conversationId?: string | undefined; customer: string; text: string };

export type ChatJob = { jobId: string; accountId: string };
type WaitingJob = ChatJob & { waits: number };

/**
 * Takes the job's own message (its id is the job's) into its conversation, and says whether the job is to answer now.
 * Locks the conversation: those who ask for the same one take turns. To be called under the job's fence.
 */
export async function takeTurn(
  client: Transaction,
  job: WaitingJob,
  message: NewMessage,
  limits: ChatLimits,
): Promise<TurnOutcome> {
  const conversation = await lockConversation(client, job, message);
  if (conversation === undefined) return { verdict: 'no_conversation' };
  const own = await receiveMessage(client, job, conversation, message.text);
  const wait = { verdict: 'wait' as const, delayMs: limits.waitMs(job.waits) };
  // A reply that is put off keeps its messages: they are answered by whoever took them.
  const taken = own.answerJob === job.jobId ? await listTaken(client, job.jobId, limits) : [];
  if (own.answerJob === job.jobId && taken.length === 0) return { verdict: 'silent', conversation, why: 'unsent' };
  if (own.reply !== null && own.delivery !== null && own.delivery !== 'sent') {
    if (taken.length > 0 && own.delivery === 'sending') return answer(client, conversation, taken, limits);
    if (own.delivery === 'sending' && own.isAnswererAlive) return wait;
    return { verdict: 'undelivered' };
  }
  if (own.reply !== null) return { verdict: 'answered', conversation, reply: own.reply };
  if (own.silence !== null) return { verdict: 'silent', conversation, why: own.silence };
  if (conversation.isPaused) return silence(client, conversation, 'paused');
  if (await isLedByAnother(client, conversation.id, job.jobId)) return wait;
  const open = await listOpenMessages(client, conversation.id);
  if (open[0]?.id !== job.jobId || (await isReplying(client, conversation.id))) return wait;
  if (taken.length === 0) {
    const waitMs = quietIn(open, limits);
    if (waitMs > 0) return { verdict: 'wait', delayMs: waitMs };
  }
  const { igUserId, customer } = conversation;
  if (igUserId !== null && (await isOptedOut(client, igUserId, customer)))
    return silence(client, conversation, 'opted_out');
  if (igUserId !== null && (await countReplies(client, conversation.id)) >= limits.repliesAnHour)
    return silence(client, conversation, 'reply_cap');
  // A repeated attempt answers what the first one took: the model's answer to that may be paid for already.
  if (taken.length > 0) return answer(client, conversation, taken, limits);
  await client.query('update messages set answer_job = $2 where id = any($1::uuid[])', [
    open.map(({ id }) => id),
    job.jobId,
  ]);
  return answer(client, conversation, await listTaken(client, job.jobId, limits), limits);
}

async function answer(
  client: Transaction,
  conversation: Conversation,
  pending: PendingMessage[],
  limits: ChatLimits,
): Promise<TurnOutcome> {
  const first = pending[0];
  const earlier =
    first === undefined ? [] : await listEarlierTurns(client, conversation.id, first.id, limits.turnsShown);
  return { verdict: 'answer', conversation, pending, earlier };
}

/** What this job took to answer, without what was unsent since; closed already where its reply is on its way. */
async function listTaken(client: Transaction, jobId: string, limits: ChatLimits): Promise<PendingMessage[]> {
  const rows = await client.orm
    .select(pickColumns(messages, ['id', 'text']))
    .from(messages)
    .where(and(eq(messages.answerJob, jobId), isNull(messages.unsentAt)))
    .orderBy(desc(messages.saidAt), desc(messages.id))
    .limit(limits.messagesRead);
  return rows.reverse();
}

async function lockConversation(
  client: Transaction,
  job: ChatJob,
  message: NewMessage,
): Promise<Conversation | undefined> {
  const lock = async (condition: string, value: string) =>
    (
      await client.query<Conversation>(
        `select ${selectList(conversationColumns)}, paused_at is not null as "isPaused"
         from conversations where account_id = $1 and ${condition} for update`,
        [job.accountId, value],
      )
    ).rows[0];
  const known = await lock(`id = (select conversation_id from messages where id = $2 and account_id = $1)`, job.jobId);
  if (known !== undefined) return known;
  // Only a webhook brings messages into a conversation on Instagram.
  if (message.conversationId !== undefined) return lock(`id = $2 and channel = 'api'`, message.conversationId);
  await client.orm
    .insert(conversations)
    .values({ id: newId(), accountId: job.accountId, channel: 'api', customer: message.customer })
    .onConflictDoNothing();
  return lock(`channel = 'api' and customer = $2`, message.customer);
}

async function receiveMessage(
  client: Transaction,
  job: ChatJob,
  conversation: Conversation,
  text: string,
): Promise<OwnMessage> {
  await client.query(
    `insert into messages (id, conversation_id, account_id, role, text, said_at)
     select j.id, $2, j.account_id, 'customer', $3, j.created_at from jobs j where j.id = $1 on conflict (id) do nothing`,
    [job.jobId, conversation.id, text],
  );
  // A job that was put back is asked again, also where others have closed its message meanwhile.
  await client.query(
    `update messages set closed_at = null, silence = null
     where id = $1 and closed_at is not null and reply_id is null and (silence is null or silence = 'failed')`,
    [job.jobId],
  );
  await client.orm
    .update(conversations)
    .set({ lastMessageAt: sql`now()` })
    .where(eq(conversations.id, conversation.id));
  // An unsent message may have been announced before, after, or at the same time as the message itself.
  await client.query(
    `update messages m set unsent_at = now(), closed_at = now(), silence = 'unsent'
     where m.conversation_id = $1 and m.closed_at is null and m.external_id is not null
       and exists (select from webhook_events e
         where e.kind = 'message_unsent' and e.external_id = m.external_id and e.ig_user_id = $2)`,
    [conversation.id, conversation.igUserId],
  );
  const { rows } = await client.query<OwnMessage>(
    `select m.silence, r.text as reply, r.delivery, m.answer_job as "answerJob",
       exists (select from jobs j where j.id = m.answer_job and j.status in ('queued', 'running')) as "isAnswererAlive"
     from messages m left join messages r on r.id = m.reply_id where m.id = $1`,
    [job.jobId],
  );
  return rows[0] ?? { silence: null, reply: null, delivery: null, answerJob: null, isAnswererAlive: false };
}

type OwnMessage = Pick<Message, 'delivery' | 'answerJob'> & {
  silence: Silence | null;
  reply: string | null;
  isAnswererAlive: boolean;
};
export type PendingMessage = Pick<Message, 'id' | 'text'>;
type OpenMessage = Pick<Message, 'id'> & { ageMs: number };

/** Whether the oldest open message is that of another job, which lives: one look, however many messages wait. */
async function isLedByAnother(client: Transaction, conversationId: string, jobId: string): Promise<boolean> {
  const { rows } = await client.query<{ isOther: boolean }>(
    `select m.id <> $2 and exists (select from jobs j where j.id = m.id and j.status in ('queued', 'running')) as "isOther"
     from messages m where m.conversation_id = $1 and m.role = 'customer' and m.closed_at is null
     order by m.said_at, m.id limit 1`,
    [conversationId, jobId],
  );
  return rows[0]?.isOther ?? false;
}

/** Messages that wait for an answer, oldest first. One whose job has ended without any is history, and asked no more. */
async function listOpenMessages(client: Transaction, conversationId: string): Promise<OpenMessage[]> {
  await client.query(
    `update messages m set closed_at = now(),
       silence = case when exists (select from jobs j where j.id = m.id and j.status in ('failed', 'rejected')) then 'failed' end
     where m.conversation_id = $1 and m.role = 'customer' and m.closed_at is null
       and not exists (select from jobs j where j.id = m.id and j.status in ('queued', 'running'))`,
    [conversationId],
  );
  const { rows } = await client.query<OpenMessage>(
    `select m.id, (extract(epoch from clock_timestamp() - m.received_at) * 1000)::float8 as "ageMs"
     from messages m where m.conversation_id = $1 and m.role = 'customer' and m.closed_at is null
     order by m.said_at, m.id`,
    [conversationId],
  );
  return rows;
}

/** Whether an earlier reply of the conversation is still on its way: nothing may overtake it. */
async function isReplying(client: Transaction, conversationId: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `select from messages r join messages m on m.reply_id = r.id join jobs j on j.id = m.answer_job
     where r.conversation_id = $1 and r.delivery in ('sending', 'uncertain') and j.status in ('queued', 'running')
     limit 1`,
    [conversationId],
  );
  return rowCount !== 0;
}

/** Milliseconds until the customer has been silent long enough, or has waited long enough; 0 now. */
function quietIn(open: OpenMessage[], limits: ChatLimits): number {
  const ages = open.map(({ ageMs }) => ageMs);
  const untilQuiet = limits.quietMs - Math.min(...ages);
  const untilImpatient = limits.maxWaitMs - Math.max(...ages);
  return Math.max(0, Math.ceil(Math.min(untilQuiet, untilImpatient)));
}

/** Closes every message that waits for an answer, without one. */
export async function silence(client: Transaction, conversation: Conversation, why: Silence): Promise<TurnOutcome> {
  const isOpen = and(eq(messages.role, 'customer'), isNull(messages.closedAt));
  await client.orm
    .update(messages)
    .set({ closedAt: sql`now()`, silence: why })
    .where(and(eq(messages.conversationId, conversation.id), isOpen));
  return { verdict: 'silent', conversation, why };
}

async function countReplies(client: Transaction, conversationId: string): Promise<number> {
  const isRecent = gt(messages.saidAt, sql`now() - interval '1 hour'`);
  const isReply = and(eq(messages.conversationId, conversationId), eq(messages.role, 'assistant'));
  return client.orm.$count(messages, and(isReply, isRecent));
}

/** The turns before a message, oldest first, without what never arrived, was taken back, or could not be answered. */
async function listEarlierTurns(
  client: Transaction,
  conversationId: string,
  beforeId: string,
  limit: number,
): Promise<Turn[]> {
  const { rows } = await client.query<Turn>(
    `select m.role, m.text from messages m, messages b
     where b.id = $2 and m.conversation_id = $1 and (m.said_at, m.id) < (b.said_at, b.id)
       and m.unsent_at is null and m.delivery is distinct from 'failed' and m.silence is distinct from 'failed'
     order by m.said_at desc, m.id desc limit $3`,
    [conversationId, beforeId, limit],
  );
  return rows.reverse();
}
