/** A job's part in a conversation: waiting for its turn, and the one reply to what it took. */
import { idFrom, TallyError } from '@tally/core';
import { type ChatLimits, type Conversation, lastHeardAt, storeReply, takeTurn } from '@tally/db';
import type { Said, TaskContext } from '@tally/tasks';
import type { Attempt, ClaimedJob } from './attempt.ts';
import { sendOnce } from './instagram/send.ts';
import { requireSender } from './instagram/sender.ts';
import { cutReply } from './instagram/text.ts';
import { untilReachable } from './outages.ts';
import type { WorkerServices } from './services.ts';
import { Postponed } from './stops.ts';

/** People type on: a reply waits for a second of silence, at most five in all. */
export const chatLimits: ChatLimits = { quietMs: 1_000, longestWaitMs: 5_000, repliesAnHour: 30, turnsShown: 12 };

/** Meta: a reply may be sent within 24 hours of the customer's last message. */
const replyWindowMs = 24 * 3_600_000;

/** The conversation as one attempt at a chat job sees it. */
export function createChat(services: WorkerServices, job: ClaimedJob, attempt: Attempt): TaskContext['chat'] {
  const { db } = services;
  const owner = { jobId: job.jobId, accountId: job.accountId };
  let conversation: Conversation | undefined;

  async function requireWindow({ id }: Conversation): Promise<void> {
    const heardAt = await untilReachable(() => lastHeardAt(db, id), attempt);
    if (heardAt !== undefined && Date.now() - heardAt.getTime() < replyWindowMs) return;
    throw new TallyError('reply_window_closed', 'The customer’s last message is more than 24 hours old');
  }

  return {
    async take(message) {
      const turn = await attempt.write((client) => takeTurn(client, owner, message, chatLimits));
      if (turn.verdict === 'no_conversation') throw new TallyError('not_found', 'There is no such conversation');
      if (turn.verdict === 'wait') throw new Postponed(turn.delayMs);
      conversation = turn.conversation;
      const conversationId = conversation.id;
      if (turn.verdict !== 'answer') return { ...turn, conversationId };
      if (conversation.igUserId !== null) {
        await requireSender(services, job, attempt, conversation.igUserId);
        await requireWindow(conversation);
      }
      return {
        verdict: 'answer',
        conversationId,
        pending: turn.pending.map(({ text }) => text),
        earlier: turn.earlier,
      };
    },

    async reply(text): Promise<Said> {
      if (conversation === undefined) throw new TallyError('internal', 'a reply without a turn');
      const { id, igUserId, customer } = conversation;
      const replyId = idFrom(`${job.jobId} reply`);
      if (igUserId === null) {
        const reply = { ...owner, replyId, conversationId: id, text, isToBeSent: false };
        return { text: await attempt.write((client) => storeReply(client, reply)), messageId: null };
      }
      const cut = cutReply(text);
      return sendOnce(services, job, attempt, {
        igUserId,
        recipient: { kind: 'person', id: customer },
        personId: customer,
        text: cut,
        store: async (client) => {
          await storeReply(client, { ...owner, replyId, conversationId: id, text: cut, isToBeSent: true });
        },
      });
    },
  };
}
