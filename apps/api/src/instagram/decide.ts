/** What becomes of an event: a job that answers, or the reason why nothing does. */
import { metaWindowsMs } from '@tally/core';
import type { Answered, MatchableWorkflow, Recipient } from '@tally/db';
import type { WebhookEvent } from './event.ts';
import { readOptOut } from './opting-out.ts';

export type Decision =
  | {
      outcome: 'queued';
      answer: { kind: 'comment'; workflowId: string; productId: string | null } | { kind: 'message' };
    }
  | { outcome: Silence; answer?: undefined };

/** Why nothing answers: what kind of event it is, or a reason. */
type Silence =
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

/** What is known beside the event itself. */
export type Circumstances = {
  recipient: Recipient | undefined;
  isOptedOut: boolean;
  isUnsent: boolean;
  /** How often its author was answered lately. */
  answered: Answered;
  /** The one that a comment is for; undefined for everything else. */
  workflow: MatchableWorkflow | undefined;
  now: Date;
};

// To a live comment, while the broadcast runs.
const liveWindowMs = 10 * 60_000;

// Of one person, whatever becomes of it: beyond that nothing is kept but that it came.
const maxKeptADay = 1_000;

const no = (outcome: Silence): Decision => ({ outcome });

/** Decides about one event; answers only comments, messages and postbacks of other people to connected accounts. */
export function decide(event: WebhookEvent, circumstances: Circumstances): Decision {
  const { recipient } = circumstances;
  const isComment = event.kind === 'comment';
  if (event.kind !== 'comment' && event.kind !== 'message' && event.kind !== 'postback') return no(event.kind);
  if (recipient === undefined) return no('unknown_account');
  if (isComment && isOwnComment(event, recipient)) return no('own_comment');
  // Without an author it can't be shown not to be our own.
  if (event.personId === null) return no('no_author');
  if (event.text === null || event.text.trim() === '') return no('no_text');
  if (recipient.isStorageFull) return no('storage_full');
  if (circumstances.answered.keptADay >= maxKeptADay) return no('person_limit');
  if (readOptOut(event.text) === 'stop') return no('opted_out');
  if (circumstances.isOptedOut) return no('opted_out');
  if (circumstances.isUnsent) return no('unsent');
  if (recipient.state !== 'active') return no(recipient.state === 'paused' ? 'account_paused' : 'needs_login');
  if (!recipient.autoReply) return no('auto_reply_off');
  const ageMs = circumstances.now.getTime() - event.happenedAt.getTime();
  if (ageMs > (isComment ? (event.isLive ? liveWindowMs : metaWindowsMs.comment) : metaWindowsMs.message))
    return no('too_late');
  const { workflow, answered } = circumstances;
  if (isComment && workflow === undefined) return no('no_workflow');
  const isTooMany = isComment
    ? answered.commentsAnHour >= recipient.commentsAnHour || answered.commentsADay >= recipient.commentsADay
    : answered.messagesAnHour >= recipient.messagesAnHour || answered.messagesADay >= recipient.messagesADay;
  if (isTooMany) return no('person_limit');
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
