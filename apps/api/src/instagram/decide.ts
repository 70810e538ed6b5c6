/** Decides what happens to a webhook event: a job that answers it, or the reason why none does. */
import { metaWindowsMs } from '@tally/core';
import type { Answered, MatchableWorkflow, Recipient } from '@tally/db';
import type { WebhookEvent } from './event.ts';
import { readOptOut } from './opting-out.ts';

export type Decision =
  | {
      outcome: 'queued';
      answer: { kind: 'comment'; workflowId: string; productId: string | null } | { kind: 'message' };
    }
  | { outcome: NoAnswerReason; answer?: undefined };

/** Why no job answers: an event kind that is never answered, or a reason. */
type NoAnswerReason =
  | Exclude<WebhookEvent['kind'], 'comment' | 'message' | 'postback'>
  | 'unknown_account'
  | 'own_comment'
  | 'no_author'
  | 'no_text'
  | 'storage_full'
  | 'person_limit'
  | 'opted_out'
  | 'unsent'
  | 'account_paused'
  | 'needs_login'
  | 'auto_reply_off'
  | 'too_late'
  | 'no_workflow';

/** What the decision depends on beside the event. */
export type DecisionContext = {
  recipient: Recipient | undefined;
  isOptedOut: boolean;
  isUnsent: boolean;
  /** How often the author was answered in the last hour and day. */
  answered: Answered;
  /** The workflow that matches a comment; undefined without a match and for other events. */
  workflow: MatchableWorkflow | undefined;
  now: Date;
};

// Events per person and day, answered or not; beyond that, only their arrival is stored.
const maxKeptADay = 1_000;

const unanswered = (outcome: NoAnswerReason): Decision => ({ outcome });

/** Decides on one event; only comments, messages and postbacks by other people to connected accounts are answered. */
export function decide(event: WebhookEvent, context: DecisionContext): Decision {
  const { recipient } = context;
  const isComment = event.kind === 'comment';
  if (event.kind !== 'comment' && event.kind !== 'message' && event.kind !== 'postback') return unanswered(event.kind);
  if (recipient === undefined) return unanswered('unknown_account');
  if (isComment && isOwnComment(event, recipient)) return unanswered('own_comment');
  // Without an author, the account's own comment can't be ruled out.
  if (event.personId === null) return unanswered('no_author');
  if (event.text === null || event.text.trim() === '') return unanswered('no_text');
  if (recipient.isStorageFull) return unanswered('storage_full');
  if (context.answered.keptADay >= maxKeptADay) return unanswered('person_limit');
  if (readOptOut(event.text) === 'stop') return unanswered('opted_out');
  if (context.isOptedOut) return unanswered('opted_out');
  if (context.isUnsent) return unanswered('unsent');
  if (recipient.state !== 'active') return unanswered(recipient.state === 'paused' ? 'account_paused' : 'needs_login');
  if (!recipient.autoReply) return unanswered('auto_reply_off');
  const ageMs = context.now.getTime() - event.happenedAt.getTime();
  if (ageMs > (isComment ? (event.isLive ? metaWindowsMs.liveComment : metaWindowsMs.comment) : metaWindowsMs.message))
    return unanswered('too_late');
  const { workflow, answered } = context;
  if (isComment && workflow === undefined) return unanswered('no_workflow');
  const isTooMany = isComment
    ? answered.commentsAnHour >= recipient.commentsAnHour || answered.commentsADay >= recipient.commentsADay
    : answered.messagesAnHour >= recipient.messagesAnHour || answered.messagesADay >= recipient.messagesADay;
  if (isTooMany) return unanswered('person_limit');
  if (workflow === undefined) return { outcome: 'queued', answer: { kind: 'message' } };
  const { id: workflowId, productId } = workflow;
  return { outcome: 'queued', answer: { kind: 'comment', workflowId, productId } };
}

function isOwnComment({ isOwn, personId, username, igUserId }: WebhookEvent, recipient: Recipient): boolean {
  return (
    isOwn ||
    personId === igUserId ||
    (personId !== null && personId === recipient.selfIgScopedId) ||
    username?.toLowerCase() === recipient.username.toLowerCase()
  );
}
