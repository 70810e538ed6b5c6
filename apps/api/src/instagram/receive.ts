/** Stores the events of a webhook, each once, and their jobs in one transaction, before the 200. */
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

/** An event with its decision. */
type Decided = { event: WebhookEvent; recipient: Recipient | undefined; decision: Decision; id: string };

/** Stores events and queues their jobs; repeated deliveries change nothing. @throws where the commit fails */
export async function receiveEvents(services: Services, received: WebhookEvent[]): Promise<void> {
  // One body may contain an event twice, as a comment on a post and on its advertisement: the first one counts.
  const events = [...new Map(received.toReversed().map((event) => [event.dedupeKey, event])).values()].toReversed();
  if (events.length === 0) return;
  const recipients = await readRecipients(services.db, unique(events.map(({ igUserId }) => igUserId)));
  // Before the transaction, which would hold its connection during the match.
  const workflows = await matchComments(services.textThreads, events, recipients);
  // Repeated on conflict: concurrent webhooks may lock the same rows in opposite order, and the worker may record a
  // message as sent while its echo is processed.
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
  await recordOptOuts(client, events.flatMap(readOptOutWord(recipients)));
  const decided = await decideAll(client, events, recipients, workflows);
  const isNew = await insertEvents(
    client,
    decided.map(({ event, recipient, decision, id }) => ({
      dedupeKey: event.dedupeKey,
      accountId: recipient?.accountId ?? null,
      igUserId: event.igUserId,
      kind: event.kind,
      externalId: event.externalId,
      // Without a connected account, no tenant is entitled to the author's id.
      personId: recipient === undefined ? null : event.personId,
      outcome: decision.outcome,
      jobId: decision.answer === undefined ? null : id,
      payload: recipient === undefined || withoutContent.has(decision.outcome) ? null : event.payload,
      happenedAt: event.happenedAt,
    })),
  );
  const newEvents = decided.filter(({ event }) => isNew.has(event.dedupeKey));
  const conversations = await insertIncoming(client, [
    ...newEvents.flatMap(toIncoming),
    ...(await readEchoes(client, newEvents)),
  ]);
  await markUnsent(
    client,
    keysOf(
      newEvents.map(({ event }) => event),
      'message_unsent',
    ),
  );
  await applyEdits(
    client,
    keysOf(
      newEvents.map(({ event }) => event),
      'message_edited',
    ),
  );
  const jobs = newEvents.flatMap((one) => toJob(one, conversations.get(one.id)));
  await insertJobs(client, jobs);
  return jobs;
}

/** Opt-outs and opt-ins by stop and start words, in messages, comments and postbacks. */
const readOptOutWord = (recipients: Map<string, Recipient>) => (event: WebhookEvent) => {
  const { kind, igUserId, personId, text } = event;
  const hasText = kind === 'message' || kind === 'comment' || kind === 'postback';
  if (!hasText || igUserId === null || personId === null || text === null || !recipients.has(igUserId)) return [];
  const word = readOptOut(text);
  return word === undefined ? [] : [{ igUserId, personId, isOptedOut: word === 'stop', saidAt: event.happenedAt }];
};

/** The workflow of each comment; the comments of one account are matched in one call. */
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
  for (const [{ workflows }, ofAccount] of Map.groupBy(comments, ({ recipient }) => recipient)) {
    const texts = ofAccount.map(({ event: { text, mediaIds } }) => ({ text: text ?? '', mediaIds }));
    const ids = await textThreads.match(workflows, texts);
    for (const [i, { event }] of ofAccount.entries()) {
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
    const personKey = `${igUserId} ${personId}`;
    const answeredLately = answered.get(personKey) ?? notAnswered;
    const decision = decide(read, {
      recipient,
      isOptedOut: optedOut.has(personKey),
      answered: answeredLately,
      isUnsent: unsent.has(key),
      workflow: workflows.get(event),
      now,
    });
    answered.set(personKey, countDecision(answeredLately, decision));
    return { event: read, recipient, decision, id: newId() };
  });
}

const notAnswered: Answered = {
  commentsAnHour: 0,
  commentsADay: 0,
  messagesAnHour: 0,
  messagesADay: 0,
  keptADay: 0,
};

function countDecision(lately: Answered, { outcome, answer }: Decision): Answered {
  const [comments, messages] = [answer?.kind === 'comment' ? 1 : 0, answer?.kind === 'message' ? 1 : 0];
  return {
    commentsAnHour: lately.commentsAnHour + comments,
    commentsADay: lately.commentsADay + comments,
    messagesAnHour: lately.messagesAnHour + messages,
    messagesADay: lately.messagesADay + messages,
    keptADay: lately.keptADay + (withoutContent.has(outcome) ? 0 : 1),
  };
}

/** Outcomes whose events are stored without content. */
const withoutContent = new Set(['storage_full', 'person_limit']);

function toIncoming({ event, recipient, decision, id }: Decided): IncomingMessage[] {
  const { kind, igUserId, personId, externalId, text } = event;
  if ((kind !== 'message' && kind !== 'postback') || recipient === undefined || igUserId === null) return [];
  if (personId === null || text === null || decision.outcome === 'unsent' || withoutContent.has(decision.outcome))
    return [];
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

/** Echoes confirm messages that the worker sent; any other echo is a human's message and joins the conversation. */
async function readEchoes(client: Transaction, newEvents: Decided[]): Promise<IncomingMessage[]> {
  const echoes = newEvents.flatMap(({ event, recipient, id }) => {
    const { kind, igUserId, personId, externalId: messageId, text } = event;
    if (kind !== 'echo' || recipient === undefined || igUserId === null || personId === null) return [];
    if (messageId === null || text === null || text === '' || personId === igUserId) return [];
    return [{ id, accountId: recipient.accountId, igUserId, personId, messageId, text, saidAt: event.happenedAt }];
  });
  if (echoes.length === 0) return [];
  const confirmed = await confirmSends(client, echoes);
  return echoes
    .filter(({ messageId }) => !confirmed.has(messageId))
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

/** The message ids and texts of the events of one kind. */
const keysOf = (events: WebhookEvent[], of: WebhookEvent['kind']) =>
  events.flatMap(({ kind, igUserId, externalId, text }) =>
    kind === of && igUserId !== null && externalId !== null
      ? [{ igUserId, messageId: externalId, text: text ?? '' }]
      : [],
  );

const unique = (values: (string | null)[]): string[] => [...new Set(values)].filter((value) => value !== null);
