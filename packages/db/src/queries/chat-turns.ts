/** Whose turn it is in a conversation: each is answered in order, and messages that come together get one reply. */

import { newId } from '@tally/core';
import type { Transaction } from '../connect.ts';
import { isOptedOut } from './instagram-sends.ts';

export type ChatLimits = {
  /** A reply waits until the customer has been silent for so long… */
  quietMs: number;
  /** …but no longer than this after the first unanswered message. */
  longestWaitMs: number;
  /** How many replies a conversation on Instagram may get within an hour: two bots would talk for ever. */
  repliesAnHour: number;
  /** How many earlier turns the model sees. */
  turnsShown: number;
};

export type Turn = { role: 'customer' | 'assistant' | 'human'; text: string };

/** The conversation of one of its messages, and what is to be done about that message now. */
export type TurnOutcome =
  | { verdict: 'answer'; conversation: Conversation; pending: PendingMessage[]; earlier: Turn[] }
  | { verdict: 'answered'; conversation: Conversation; reply: string }
  | { verdict: 'silent'; conversation: Conversation; why: 'paused' | 'unsent' | 'opted_out' | 'reply_cap' }
  /** Another message of the conversation is being answered, or the customer is still writing. */
  | { verdict: 'wait'; delayMs: number }
  | { verdict: 'no_conversation' };

export type Conversation = {
  id: string;
  channel: 'api' | 'instagram';
  igUserId: string | null;
  customer: string;
  isPaused: boolean;
};

export type NewMessage = { conversationId?: string | undefined; customer: string; text: string };

type Job = { jobId: string; accountId: string };
const conversationColumns = `id, channel, ig_user_id as "igUserId", customer, paused_at is not null as "isPaused"`;

/**
 * Takes the job's own message (its id is the job's) into its conversation, and says whether the job is to answer now.
 * Locks the conversation: those who ask for the same one take turns. To be called under the job's fence.
 */
export async function takeTurn(
  client: Transaction,
  job: Job,
  message: NewMessage,
  limits: ChatLimits,
): Promise<TurnOutcome> {
  const conversation = await lockConversation(client, job, message);
  if (conversation === undefined) return { verdict: 'no_conversation' };
  const own = await receiveMessage(client, job, conversation, message.text);
  if (own.unsent) return { verdict: 'silent', conversation, why: 'unsent' };
  const taken = own.answerJob === job.jobId ? await listTaken(client, job.jobId) : [];
  // A reply that is on its way is looked after by the job that sends it.
  if (taken.length > 0 && own.isOnItsWay) return answer(client, conversation, taken, limits);
  if (own.reply !== null) return { verdict: 'answered', conversation, reply: own.reply };
  if (conversation.isPaused) return silence(client, conversation, 'paused');
  const open = await listOpenMessages(client, conversation.id);
  const leader = open.find((candidate) => candidate.isAlive);
  // Closed without a reply: it was left to a human earlier.
  if (!open.some(({ id }) => id === job.jobId)) return { verdict: 'silent', conversation, why: 'paused' };
  if (leader?.id !== job.jobId) return { verdict: 'wait', delayMs: 500 };
  if (taken.length === 0) {
    const waitMs = quietIn(open, limits);
    if (waitMs > 0) return { verdict: 'wait', delayMs: waitMs };
  }
  const { igUserId, customer } = conversation;
  if (igUserId !== null && (await isOptedOut({ pool: client }, igUserId, customer)))
    return silence(client, conversation, 'opted_out');
  if (conversation.igUserId !== null && (await countReplies(client, conversation.id)) >= limits.repliesAnHour)
    return silence(client, conversation, 'reply_cap');
  // A repeated attempt answers what the first one took: the model's answer to that may be paid for already.
  if (taken.length > 0) return answer(client, conversation, taken, limits);
  await client.query('update messages set answer_job = $2 where id = any($1::uuid[])', [
    open.map(({ id }) => id),
    job.jobId,
  ]);
  return answer(client, conversation, open, limits);
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
async function listTaken(client: Transaction, jobId: string): Promise<PendingMessage[]> {
  const { rows } = await client.query<PendingMessage>(
    'select id, text from messages where answer_job = $1 and unsent_at is null order by said_at, id',
    [jobId],
  );
  return rows;
}

async function lockConversation(client: Transaction, job: Job, message: NewMessage): Promise<Conversation | undefined> {
  const lock = async (condition: string, value: string) =>
    (
      await client.query<Conversation>(
        `select ${conversationColumns} from conversations where account_id = $1 and ${condition} for update`,
        [job.accountId, value],
      )
    ).rows[0];
  const known = await lock(`id = (select conversation_id from messages where id = $2 and account_id = $1)`, job.jobId);
  if (known !== undefined) return known;
  // Only a webhook brings messages into a conversation on Instagram.
  if (message.conversationId !== undefined) return lock(`id = $2 and channel = 'api'`, message.conversationId);
  await client.query(
    `insert into conversations (id, account_id, channel, customer) values ($1, $2, 'api', $3) on conflict do nothing`,
    [newId(), job.accountId, message.customer],
  );
  return lock(`channel = 'api' and customer = $2`, message.customer);
}

async function receiveMessage(
  client: Transaction,
  job: Job,
  conversation: Conversation,
  text: string,
): Promise<OwnMessage> {
  await client.query(
    `insert into messages (id, conversation_id, account_id, role, text, said_at)
     select j.id, $2, j.account_id, 'customer', $3, j.created_at from jobs j where j.id = $1 on conflict (id) do nothing`,
    [job.jobId, conversation.id, text],
  );
  await client.query('update conversations set last_message_at = now() where id = $1', [conversation.id]);
  // An unsent message may have been announced before, after, or at the same time as the message itself.
  await client.query(
    `update messages m set unsent_at = now(), closed_at = coalesce(closed_at, now())
     where m.conversation_id = $1 and m.closed_at is null and m.external_id is not null
       and exists (select from webhook_events e where e.kind = 'message_unsent' and e.external_id = m.external_id)`,
    [conversation.id],
  );
  const { rows } = await client.query<OwnMessage>(
    `select m.unsent_at is not null as unsent, r.text as reply, m.answer_job as "answerJob",
       coalesce(r.delivery in ('sending', 'uncertain'), false) as "isOnItsWay"
     from messages m left join messages r on r.id = m.reply_id where m.id = $1`,
    [job.jobId],
  );
  return rows[0] ?? { unsent: false, reply: null, answerJob: null, isOnItsWay: false };
}

type OwnMessage = { unsent: boolean; reply: string | null; answerJob: string | null; isOnItsWay: boolean };
type PendingMessage = { id: string; text: string };
type OpenMessage = PendingMessage & { isAlive: boolean; ageMs: number };

async function listOpenMessages(client: Transaction, conversationId: string): Promise<OpenMessage[]> {
  // What nobody could answer within a day is past.
  await client.query(
    `update messages set closed_at = now() where conversation_id = $1 and role = 'customer' and closed_at is null
       and received_at < now() - interval '1 day'`,
    [conversationId],
  );
  const { rows } = await client.query<OpenMessage>(
    `select m.id, m.text,
       exists (select from jobs j where j.id = m.id and j.status in ('queued', 'running')) as "isAlive",
       (extract(epoch from clock_timestamp() - m.received_at) * 1000)::float8 as "ageMs"
     from messages m where m.conversation_id = $1 and m.role = 'customer' and m.closed_at is null
     order by m.said_at, m.id`,
    [conversationId],
  );
  return rows;
}

/** Milliseconds until the customer has been silent long enough, or has waited long enough; 0 now. */
function quietIn(open: OpenMessage[], limits: ChatLimits): number {
  const ages = open.map(({ ageMs }) => ageMs);
  const untilQuiet = limits.quietMs - Math.min(...ages);
  const untilImpatient = limits.longestWaitMs - Math.max(...ages);
  return Math.max(0, Math.ceil(Math.min(untilQuiet, untilImpatient)));
}

async function silence(
  client: Transaction,
  conversation: Conversation,
  why: 'paused' | 'opted_out' | 'reply_cap',
): Promise<TurnOutcome> {
  await client.query(
    `update messages set closed_at = now() where conversation_id = $1 and role = 'customer' and closed_at is null`,
    [conversation.id],
  );
  return { verdict: 'silent', conversation, why };
}

async function countReplies(client: Transaction, conversationId: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `select count(*) from messages where conversation_id = $1 and role = 'assistant' and said_at > now() - interval '1 hour'`,
    [conversationId],
  );
  return rows[0]?.count ?? 0;
}

/** The turns before a message, oldest first, without replies that never arrived and messages that were taken back. */
async function listEarlierTurns(
  client: Transaction,
  conversationId: string,
  beforeId: string,
  limit: number,
): Promise<Turn[]> {
  const { rows } = await client.query<Turn>(
    `select m.role, m.text from messages m, messages b
     where b.id = $2 and m.conversation_id = $1 and (m.said_at, m.id) < (b.said_at, b.id)
       and m.unsent_at is null and m.delivery is distinct from 'failed'
     order by m.said_at desc, m.id desc limit $3`,
    [conversationId, beforeId, limit],
  );
  return rows.reverse();
}

/**
 * Stores a reply to the messages that this job took, and closes them. The same job's second call changes nothing.
 * Returns what was said. To be called under the job's fence.
 */
export async function storeReply(
  client: Transaction,
  input: Job & { replyId: string; conversationId: string; text: string; isToBeSent: boolean },
): Promise<string> {
  await client.query('select from conversations where id = $1 and account_id = $2 for update', [
    input.conversationId,
    input.accountId,
  ]);
  await client.query(
    `insert into messages (id, conversation_id, account_id, role, text, said_at, delivery)
     values ($1, $2, $3, 'assistant', $4, clock_timestamp(), $5) on conflict (id) do nothing`,
    [input.replyId, input.conversationId, input.accountId, input.text, input.isToBeSent ? 'sending' : null],
  );
  await client.query(
    `update messages set closed_at = now(), reply_id = $2 where conversation_id = $3 and answer_job = $1 and closed_at is null`,
    [input.jobId, input.replyId, input.conversationId],
  );
  const { rows } = await client.query<{ text: string }>('select text from messages where id = $1', [input.replyId]);
  return rows[0]?.text ?? input.text;
}
