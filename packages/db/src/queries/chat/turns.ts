/** Turns of a conversation: messages are answered in order, and those that come together get one reply. */
import { newId } from '@tally/core';
import type { SQL } from 'drizzle-orm';
import type { Transaction } from '../../connect.ts';
import { and, desc, eq, gt, isNull, sql } from '../../drizzle.ts';
import { pickColumns, type Selected } from '../../schema/columns.ts';
import { conversations, messages } from '../../schema/index.ts';
import { isOptedOut } from '../instagram/sends.ts';

export type ChatLimits = {
  /** A reply waits until the customer has sent nothing for this long… */
  quietMs: number;
  /** …but no longer than this after the first unanswered message. */
  maxWaitMs: number;
  /** Replies an hour in a conversation on Instagram, where two bots could answer each other for ever. */
  repliesAnHour: number;
  /** How many earlier turns the model gets. */
  turnsShown: number;
  /** How many of the messages that are answered together the model gets, the newest; all of them are closed. */
  messagesRead: number;
  /** The delay before a waiting message's next attempt, by its number of waits so far. */
  waitMs: (waits: number) => number;
};

type Message = typeof messages.$inferSelect;
export type Turn = Pick<Message, 'role' | 'text'>;

type Silence = Exclude<Message['silence'], 'failed' | null>;

/** What a job is to do about its message now. */
export type TurnOutcome =
  | { verdict: 'answer'; conversation: Conversation; pending: PendingMessage[]; earlier: Turn[] }
  | { verdict: 'answered'; conversation: Conversation; reply: string }
  /** It was answered together with others, and the reply was not delivered. */
  | { verdict: 'undelivered' }
  | { verdict: 'silent'; conversation: Conversation; why: Silence }
  /** Another message of the conversation is being answered, or the customer may still be writing. */
  | { verdict: 'wait'; delayMs: number }
  | { verdict: 'no_conversation' };

const conversationColumns = {
  ...pickColumns(conversations, ['id', 'channel', 'igUserId', 'customer']),
  isPaused: sql<boolean>`${conversations.pausedAt} is not null`,
};
export type Conversation = Selected<typeof conversationColumns>;

export type NewMessage = { conversationId?: string | undefined; customer: string; text: string };

export type ChatJob = { jobId: string; accountId: string };
type WaitingJob = ChatJob & { waits: number };

/**
 * Stores the job's own message (its id is the job's) in its conversation, and decides whether the job is to answer now.
 * Locks the conversation, so that its jobs decide one at a time. To be called under the job's fence.
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
  // A delayed reply keeps its messages: the job that claimed them answers them.
  const claimed = own.answerJob === job.jobId ? await listClaimed(client, job.jobId, limits) : [];
  if (own.answerJob === job.jobId && claimed.length === 0) return { verdict: 'silent', conversation, why: 'unsent' };
  if (own.reply !== null && own.delivery !== null && own.delivery !== 'sent') {
    if (claimed.length > 0 && own.delivery === 'sending') return answer(client, conversation, claimed, limits);
    if (own.delivery === 'sending' && own.isAnswererAlive) return wait;
    return { verdict: 'undelivered' };
  }
  if (own.reply !== null) return { verdict: 'answered', conversation, reply: own.reply };
  if (own.silence !== null) return { verdict: 'silent', conversation, why: own.silence };
  if (conversation.isPaused) return closeUnanswered(client, conversation, 'paused');
  if (await isBehindAnother(client, conversation.id, job.jobId)) return wait;
  const open = await listOpenMessages(client, conversation.id);
  if (open[0]?.id !== job.jobId || (await isReplying(client, conversation.id))) return wait;
  if (claimed.length === 0) {
    const waitMs = msUntilReply(open, limits);
    if (waitMs > 0) return { verdict: 'wait', delayMs: waitMs };
  }
  const { igUserId, customer } = conversation;
  if (igUserId !== null && (await isOptedOut(client, igUserId, customer)))
    return closeUnanswered(client, conversation, 'opted_out');
  if (igUserId !== null && (await countReplies(client, conversation.id)) >= limits.repliesAnHour)
    return closeUnanswered(client, conversation, 'reply_cap');
  // A repeated attempt answers the same messages: the model's answer to them may be paid for already.
  if (claimed.length > 0) return answer(client, conversation, claimed, limits);
  const openIds = open.map(({ id }) => id);
  await client.query('update messages set answer_job = $2 where id = any($1::uuid[])', [openIds, job.jobId]);
  return answer(client, conversation, await listClaimed(client, job.jobId, limits), limits);
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

/** The newest messages that this job has claimed to answer, oldest first, without those that were unsent since. */
async function listClaimed(client: Transaction, jobId: string, limits: ChatLimits): Promise<PendingMessage[]> {
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
  const { accountId, id, channel, customer } = conversations;
  const lock = async (condition: SQL | undefined): Promise<Conversation | undefined> => {
    const rows = await client.orm
      .select(conversationColumns)
      .from(conversations)
      .where(and(eq(accountId, job.accountId), condition))
      .for('update');
    return rows[0];
  };
  const isOfMessage = and(eq(messages.id, job.jobId), eq(messages.accountId, job.accountId));
  const ofMessage = client.orm.select({ id: messages.conversationId }).from(messages).where(isOfMessage);
  const known = await lock(eq(id, ofMessage));
  if (known !== undefined) return known;
  // Only webhooks add messages to conversations on Instagram.
  if (message.conversationId !== undefined) return lock(and(eq(id, message.conversationId), eq(channel, 'api')));
  await client.orm
    .insert(conversations)
    .values({ id: newId(), accountId: job.accountId, channel: 'api', customer: message.customer })
    .onConflictDoNothing();
  return lock(and(eq(channel, 'api'), eq(customer, message.customer)));
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
  // A requeued job answers its message even where another job has closed it meanwhile.
  await client.query(
    `update messages set closed_at = null, silence = null
     where id = $1 and closed_at is not null and reply_id is null and (silence is null or silence = 'failed')`,
    [job.jobId],
  );
  await client.orm
    .update(conversations)
    .set({ lastMessageAt: sql`now()` })
    .where(eq(conversations.id, conversation.id));
  // The webhook that unsends a message may come before, after, or together with the message itself.
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

/** Whether the oldest open message is that of another live job; costs the same however many messages wait. */
async function isBehindAnother(client: Transaction, conversationId: string, jobId: string): Promise<boolean> {
  const { rows } = await client.query<{ isOther: boolean }>(
    `select m.id <> $2 and exists (select from jobs j where j.id = m.id and j.status in ('queued', 'running')) as "isOther"
     from messages m where m.conversation_id = $1 and m.role = 'customer' and m.closed_at is null
     order by m.said_at, m.id limit 1`,
    [conversationId, jobId],
  );
  return rows[0]?.isOther ?? false;
}

/** Closes messages whose job has ended without an answer, and returns those that still wait for one, oldest first. */
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

/** Whether an earlier reply of the conversation is still being sent, which later ones must not overtake. */
async function isReplying(client: Transaction, conversationId: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `select from messages r join messages m on m.reply_id = r.id join jobs j on j.id = m.answer_job
     where r.conversation_id = $1 and r.delivery in ('sending', 'uncertain') and j.status in ('queued', 'running')
     limit 1`,
    [conversationId],
  );
  return rowCount !== 0;
}

/** Milliseconds until `quietMs` after the newest message, or `maxWaitMs` after the oldest; 0 where that has passed. */
function msUntilReply(open: OpenMessage[], limits: ChatLimits): number {
  const ages = open.map(({ ageMs }) => ageMs);
  const untilQuietMs = limits.quietMs - Math.min(...ages);
  const untilMaxWaitMs = limits.maxWaitMs - Math.max(...ages);
  return Math.max(0, Math.ceil(Math.min(untilQuietMs, untilMaxWaitMs)));
}

/** Closes all waiting messages without an answer. */
export async function closeUnanswered(
  client: Transaction,
  conversation: Conversation,
  why: Silence,
): Promise<TurnOutcome> {
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

/** The turns before a message, oldest first, without undelivered, unsent and unanswerable ones. */
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
