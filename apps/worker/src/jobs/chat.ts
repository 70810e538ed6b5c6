/** A job's access to its conversation: waiting for its turn, and sending one reply to the messages it took. */
import { idFrom, metaWindowsMs, TallyError } from '@tally/core';
import {
  type ChatLimits,
  type Conversation,
  lastCustomerMessageAt,
  storeReply,
  type Transaction,
  takeTurn,
} from '@tally/db';
import type { Said, TaskContext } from '@tally/tasks';
import { resumeSend, sendOnce } from '../instagram/send.ts';
import { requireSender } from '../instagram/sender.ts';
import { cutReply } from '../instagram/text.ts';
import type { ClaimedJob, WorkerServices } from '../services.ts';
import type { Attempt } from './attempt.ts';
import { Snoozed } from './stops.ts';
import { untilReachable } from './until-reachable.ts';

/** Customers send several messages in a row: a reply waits for 1 s of silence, at most 5 s in all. */
const chatLimits: ChatLimits = {
  quietMs: 1_000,
  maxWaitMs: 5_000,
  repliesAnHour: 30,
  turnsShown: 12,
  messagesRead: 20,
  // Each check locks the conversation, so jobs that wait for the same reply back off.
  waitMs: (waits) => Math.round(Math.min(5_000, 300 * 1.4 ** waits) * (0.75 + Math.random() / 2)),
};

/** The conversation functions for one attempt at a chat job. */
export function createChat(services: WorkerServices, job: ClaimedJob, attempt: Attempt): TaskContext['chat'] {
  const { db } = services;
  const owner = { jobId: job.jobId, accountId: job.accountId };
  const waiting = { ...owner, waits: job.waits };
  let taken: { conversation: Conversation; pending: { id: string; text: string }[] } | undefined;

  async function requireWindow({ id }: Conversation): Promise<void> {
    const lastMessageAt = await untilReachable(() => lastCustomerMessageAt(db, id), attempt);
    if (lastMessageAt !== undefined && Date.now() - lastMessageAt.getTime() < metaWindowsMs.message) return;
    throw new TallyError('reply_window_closed', 'The customer’s last message is more than 24 hours old');
  }

  return {
    async take(message) {
      const turn = await attempt.write((client) => takeTurn(client, waiting, message, chatLimits));
      const sent = await resumeSend(services, job, attempt);
      if (turn.verdict === 'no_conversation') throw new TallyError('not_found', 'There is no such conversation');
      if (turn.verdict === 'undelivered' && sent === undefined)
        throw new TallyError('reply_window_closed', 'The reply to this message could not be delivered');
      if (turn.verdict === 'wait') throw new Snoozed(turn.delayMs);
      if (sent !== undefined && 'conversation' in turn)
        return {
          verdict: 'answered',
          conversationId: turn.conversation.id,
          reply: sent.text,
          messageId: sent.messageId,
        };
      if (turn.verdict === 'undelivered') throw new Snoozed(chatLimits.quietMs);
      const { conversation } = turn;
      const conversationId = conversation.id;
      if (turn.verdict === 'answered')
        return { verdict: 'answered', conversationId, reply: turn.reply, messageId: null };
      if (turn.verdict === 'silent') return { verdict: 'silent', conversationId, why: turn.why };
      if (conversation.igUserId !== null) {
        await requireSender(services, job, attempt, conversation.igUserId);
        await requireWindow(conversation);
      }
      taken = { conversation, pending: turn.pending };
      return {
        verdict: 'answer',
        conversationId,
        pending: turn.pending.map(({ text }) => text),
        earlier: turn.earlier,
      };
    },

    async reply(text): Promise<Said> {
      if (taken === undefined) throw new TallyError('internal', 'a reply without a turn');
      const { igUserId, customer } = taken.conversation;
      const reply = { ...owner, ...taken, replyId: idFrom(`${job.jobId} reply`) };
      const store = async (client: Transaction, words: string) => {
        const stored = await storeReply(client, { ...reply, text: words });
        if (stored.verdict === 'paused') return { silent: 'paused' as const };
        return stored.verdict;
      };
      if (igUserId !== null) {
        const cut = cutReply(text);
        const recipient = { kind: 'person', id: customer } as const;
        return sendOnce(services, job, attempt, {
          igUserId,
          recipient,
          personId: customer,
          text: cut,
          store: (client) => store(client, cut),
        });
      }
      const stored = await attempt.write((client) => store(client, text));
      if (stored === 'changed') throw new Snoozed(0);
      return stored === 'stored' ? { text, messageId: null } : stored;
    },
  };
}
