/** Takes a webhook's events in: one transaction that stores each once, with the jobs that answer; then 200. */
import { type Logger, newId } from '@tally/core';
import {
  type Answered,
  applyEdits,
  confirmSends,
  countAnswered,
  type Database,
  type IncomingMessage,
  inRepeatedTransaction,
  insertEvents,
  insertIncoming,
  insertJobs,
  type MatchableWorkflow,
  markUnsent,
  messageKey,
  type NewJob,
  type Recipient,
  readChanges,
  readOptOuts,
  readRecipients,
  recordOptOuts,
  type Transaction,
} from '@tally/db';
import { enqueueSoon, type Queues } from '@tally/queue';
import { customerChat, instagramDm } from '@tally/tasks';
import type { TextThreads } from '../text-threads/pool.ts';
import { type Decision, decide } from './decide.ts';
import type { WebhookEvent } from './event.ts';
import { readOptOut } from './opting-out.ts';

type Services = { db: Database; queues: Queues; textThreads: TextThreads; log: Logger };

/** An event with what was decided about it. */
type Decided = { event: WebhookEvent; recipient: Recipient | undefined; decision: Decision; id: string };

/** Stores events and queues their jobs; events that came before change nothing. @throws where it can't be committed */
export async function receiveEvents(services: Services, received: WebhookEvent[]): Promise<void> {
  // One body may announce a thing twice, as a comment on a post and on its advertisement: the first counts.
  const events = [...new Map(received.toReversed().map((event) => [event.dedupeKey, event])).values()].toReversed();
  if (events.length === 0) return;
  const recipients = await readRecipients(services.db, unique(events.map(({ igUserId }) => igUserId)));
  // Before the transaction, which would keep its connection meanwhile.
  const workflows = await matchComments(services.textThreads, events, recipients);
  // Two webhooks about the same things may lock them crosswise, and a message of ours be noted as sent while its echo is read.
  const jobs = await inRepeatedTransaction(services.db, (client) => store(client, events, recipients, workflows));
  const dispatches = jobs.map(({ id, accountId, task }) => ({ jobId: id, accountId, task, dispatch: 1, delayMs: 0 }));
  await enqueueSoon(services.queues, dispatches);
}

async function store(
  client: Transaction,
  events: WebhookEvent[],
  recipients: Map<string, Recipient>,
  workflows: Map<WebhookEvent, MatchableWorkflow>,
): Promise<NewJob[]> {
  await recordOptOuts(client, events.flatMap(readWord(recipients)));
  const decided = await decideAll(client, events, recipients, workflows);
  const isNew = await insertEvents(
    client,
    decided.map(({ event, recipient, decision, id }) => ({
      dedupeKey: event.dedupeKey,
      accountId: recipient?.accountId ?? null,
      igUserId: event.igUserId,
      kind: event.kind,
      externalId: event.externalId,
      // Of accounts that nobody connected, nobody may read who wrote.
      personId: recipient === undefined ? null : event.personId,
      outcome: decision.outcome,
      jobId: decision.answer === undefined ? null : id,
      payload: recipient === undefined || unkept.has(decision.outcome) ? null : event.payload,
      happenedAt: event.happenedAt,
    })),
  );
  const fresh = decided.filter(({ event }) => isNew.has(event.dedupeKey));
  const conversations = await insertIncoming(client, [
    ...fresh.flatMap(toIncoming),
    ...(await readEchoes(client, fresh)),
  ]);
  await markUnsent(
    client,
    keysOf(
      fresh.map(({ event }) => event),
      'message_unsent',
    ),
  );
  await applyEdits(
    client,
    keysOf(
      fresh.map(({ event }) => event),
      'message_edited',
    ),
  );
  const jobs = fresh.flatMap((one) => toJob(one, conversations.get(one.id)));
  await insertJobs(client, jobs);
  return jobs;
}

/** Stop and start words, wherever they are said. */
const readWord = (recipients: Map<string, Recipient>) => (event: WebhookEvent) => {
  const { kind, igUserId, personId, text } = event;
  const isSaid = kind === 'message' || kind === 'comment' || kind === 'postback';
  if (!isSaid || igUserId === null || personId === null || text === null || !recipients.has(igUserId)) return [];
  const word = readOptOut(text);
  return word === undefined ? [] : [{ igUserId, personId, isOptedOut: word === 'stop', saidAt: event.happenedAt }];
};

/** The workflows that comments are for: those of one account are held against all of its workflows at once. */
async function matchComments(
  textThreads: TextThreads,
  events: WebhookEvent[],
  recipients: Map<string, Recipient>,
): Promise<Map<WebhookEvent, MatchableWorkflow>> {
  const comments = events.flatMap((event) => {
    const recipient = event.igUserId === null ? undefined : recipients.get(event.igUserId);
    const isCandidate = event.kind === 'comment' && event.text !== null && recipient?.autoReply === true;
    return isCandidate && recipient.workflows.length > 0 ? [{ event, recipient }] : [];
  });
  const found = new Map<WebhookEvent, MatchableWorkflow>();
  for (const [{ workflows }, ofOne] of Map.groupBy(comments, ({ recipient }) => recipient)) {
    const texts = ofOne.map(({ event: { text, mediaIds } }) => ({ text: text ?? '', mediaIds }));
    const ids = await textThreads.match(workflows, texts);
    for (const [i, { event }] of ofOne.entries()) {
      const workflow = workflows.find(({ id }) => id === ids[i]);
      if (workflow !== undefined) found.set(event, workflow);
    }
  }
  return found;
}

async function decideAll(
  client: Transaction,
  events: WebhookEvent[],
  recipients: Map<string, Recipient>,
  workflows: Map<WebhookEvent, MatchableWorkflow>,
): Promise<Decided[]> {
  const people = events.flatMap(({ igUserId, personId }) =>
    igUserId === null || personId === null ? [] : [{ igUserId, personId }],
  );
  const optedOut = await readOptOuts(client, people);
  const answered = await countAnswered(client, people);
  const changes = await readChanges(client, keysOf(events, 'message'));
  const unsent = new Set([...changes.unsent, ...keysOf(events, 'message_unsent').map(messageKey)]);
  const now = new Date();
  return events.map((event) => {
    const { igUserId, externalId, personId } = event;
    const recipient = igUserId === null ? undefined : recipients.get(igUserId);
    const key = igUserId === null || externalId === null ? '' : messageKey({ igUserId, messageId: externalId });
    const edited = event.kind === 'message' ? changes.edited.get(key) : undefined;
    const read = edited === undefined ? event : { ...event, text: edited };
    const who = `${igUserId} ${personId}`;
    const answeredLately = answered.get(who) ?? noneAnswered;
    const decision = decide(read, {
      recipient,
      isOptedOut: optedOut.has(who),
      answered: answeredLately,
      isUnsent: unsent.has(key),
      workflow: workflows.get(event),
      now,
    });
    answered.set(who, withOneMore(answeredLately, decision));
    return { event: read, recipient, decision, id: newId() };
  });
}

const noneAnswered: Answered = {
  commentsAnHour: 0,
  commentsADay: 0,
  messagesAnHour: 0,
  messagesADay: 0,
  keptADay: 0,
};

function withOneMore(lately: Answered, { outcome, answer }: Decision): Answered {
  const [comments, messages] = [answer?.kind === 'comment' ? 1 : 0, answer?.kind === 'message' ? 1 : 0];
  return {
    commentsAnHour: lately.commentsAnHour + comments,
    commentsADay: lately.commentsADay + comments,
    messagesAnHour: lately.messagesAnHour + messages,
    messagesADay: lately.messagesADay + messages,
    keptADay: lately.keptADay + (unkept.has(outcome) ? 0 : 1),
  };
}

/** Of these nothing is kept but that they came. */
const unkept = new Set(['storage_full', 'person_limit']);

function toIncoming({ event, recipient, decision, id }: Decided): IncomingMessage[] {
  const { kind, igUserId, personId, externalId, text } = event;
  if ((kind !== 'message' && kind !== 'postback') || recipient === undefined || igUserId === null) return [];
  if (personId === null || text === null || decision.outcome === 'unsent' || unkept.has(decision.outcome)) return [];
  return [
    {
      id,
      accountId: recipient.accountId,
      igUserId,
      personId,
      role: 'customer',
      messageId: externalId ?? event.dedupeKey,
      text,
      saidAt: event.happenedAt,
      needsAnswer: decision.answer !== undefined,
    },
  ];
}

/** Echoes confirm what we sent; what we didn't was written by a human, and belongs into the conversation. */
async function readEchoes(client: Transaction, fresh: Decided[]): Promise<IncomingMessage[]> {
  const echoes = fresh.flatMap(({ event, recipient, id }) => {
    const { kind, igUserId, personId, externalId: messageId, text } = event;
    if (kind !== 'echo' || recipient === undefined || igUserId === null || personId === null) return [];
    if (messageId === null || text === null || text === '' || personId === igUserId) return [];
    return [{ id, accountId: recipient.accountId, igUserId, personId, messageId, text, saidAt: event.happenedAt }];
  });
  if (echoes.length === 0) return [];
  const ours = await confirmSends(client, echoes);
  return echoes
    .filter(({ messageId }) => !ours.has(messageId))
    .map((echo) => ({ ...echo, role: 'human' as const, needsAnswer: false }));
}

function toJob({ event, recipient, decision, id }: Decided, conversationId: string | undefined): NewJob[] {
  const { answer } = decision;
  if (answer === undefined || recipient === undefined) return [];
  const { accountId } = recipient;
  const text = event.text ?? '';
  if (answer.kind === 'message') {
    if (conversationId === undefined) return [];
    const input = { conversation_id: conversationId, customer: event.personId, text };
    return [{ id, accountId, task: customerChat.name, input }];
  }
  const input = {
    ig_user_id: event.igUserId,
    comment_id: event.externalId,
    from_id: event.personId,
    text,
    workflow_id: answer.workflowId,
    ...(answer.productId !== null && { product_id: answer.productId }),
  };
  return [{ id, accountId, task: instagramDm.name, input }];
}

/** The messages that events of a kind are about, with the text that each event has. */
const keysOf = (events: WebhookEvent[], of: WebhookEvent['kind']) =>
  events.flatMap(({ kind, igUserId, externalId, text }) =>
    kind === of && igUserId !== null && externalId !== null
      ? [{ igUserId, messageId: externalId, text: text ?? '' }]
      : [],
  );

const unique = (values: (string | null)[]): string[] => [...new Set(values)].filter((value) => value !== null);
