/** A job's access to a comment: checks whether it may be answered, and sends the one private reply. */
import { idFrom, metaWindowsMs, TallyError } from '@tally/core';
import { findComment, findProduct, findWorkflow, isCommentAnswered, isOptedOut, storePrivateReply } from '@tally/db';
import { StoredProduct } from '@tally/extraction';
import type { CommentInput, TaskContext } from '@tally/tasks';
import type { Attempt } from '../jobs/attempt.ts';
import { untilReachable } from '../jobs/until-reachable.ts';
import type { ClaimedJob, WorkerServices } from '../services.ts';
import { resumeSend, sendOnce } from './send.ts';
import { requireSender } from './sender.ts';
import { cutReply } from './text.ts';

/** The private-reply functions for one attempt. */
export function createCommentReplies(
  services: WorkerServices,
  job: ClaimedJob,
  attempt: Attempt,
): TaskContext['instagram'] {
  const { db } = services;
  const { accountId, jobId } = job;
  const read = <T>(query: () => Promise<T>): Promise<T> => untilReachable(query, attempt);

  async function requireWindow({ igUserId, commentId }: CommentInput): Promise<void> {
    const stored = await read(() => findComment(db, accountId, igUserId, commentId));
    const ageMs = stored === undefined ? job.ageMs : Date.now() - stored.happenedAt.getTime();
    if (ageMs < (stored?.isLive ? metaWindowsMs.liveComment : metaWindowsMs.comment)) return;
    throw new TallyError('reply_window_closed', 'The comment is too old to be answered in private');
  }

  /** Stores a sent reply in the conversation that it opens; unfenced, since it was sent even if the lease is lost. */
  async function remember(
    { igUserId }: Pick<CommentInput, 'igUserId'>,
    { personId, ...sent }: { personId: string | undefined; text: string; messageId: string },
  ): Promise<void> {
    if (personId === undefined) return;
    const reply = { id: idFrom(`${jobId} reply`), accountId, igUserId, personId, ...sent };
    await untilReachable(() => storePrivateReply(db, reply), { log: attempt.log });
  }

  return {
    async takeComment(comment) {
      const { igUserId, fromId, workflowId } = comment;
      const said = await resumeSend(services, job, attempt);
      if (said !== undefined) {
        await remember(comment, { ...said, personId: fromId });
        return { verdict: 'answered', said };
      }
      const { username } = await requireSender(services, job, attempt, igUserId);
      await requireWindow(comment);
      if (await read(() => isCommentAnswered(db, { jobId, igUserId, commentId: comment.commentId })))
        return { verdict: 'silent', why: 'already_answered' };
      if (fromId !== undefined && (await read(() => isOptedOut(db, igUserId, fromId))))
        return { verdict: 'silent', why: 'opted_out' };
      const workflow = workflowId === undefined ? undefined : await read(() => findWorkflow(db, accountId, workflowId));
      const productId = comment.productId ?? workflow?.productId ?? undefined;
      const product = productId === undefined ? undefined : await read(() => findProduct(db, accountId, productId));
      if (comment.productId !== undefined && product === undefined)
        throw new TallyError('not_found', 'There is no such product');
      return {
        verdict: 'answer',
        product: product && StoredProduct.parse(product),
        instructions: workflow?.instructions ?? null,
        username,
      };
    },

    replyToComment: ({ igUserId, commentId, fromId }, text) =>
      sendOnce(services, job, attempt, {
        igUserId,
        recipient: { kind: 'comment', id: commentId },
        personId: fromId ?? null,
        text: cutReply(text),
        onSent: ({ personId = fromId, ...sent }) => remember({ igUserId }, { ...sent, personId }),
      }),
  };
}
