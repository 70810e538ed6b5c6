/** Webhook events, each stored once, and their effects, in the transaction that is committed before the 200. */
import { newId } from '@tally/core';
import type { Database, Transaction } from '../../connect.ts';
import { and, desc, eq, sql } from '../../drizzle.ts';
import { omitColumns, pickColumns, type RowOf, type Selected, selectList, toArrays } from '../../schema/columns.ts';
import type { instagramOptOuts, messages, workflows } from '../../schema/index.ts';
import { instagramAccounts, jobs, webhookEvents } from '../../schema/index.ts';
import { normalise } from '../../search-terms.ts';
import { type PersonLimits, personLimitColumns } from './accounts.ts';

export type NewEvent = Omit<typeof webhookEvents.$inferSelect, 'id' | 'receivedAt'>;

// In the order of the arrays below.
const eventColumnList =
  'dedupe_key, account_id, ig_user_id, kind, external_id, person_id, outcome, job_id, happened_at, id, payload';

/** Stores the events that are new and returns their dedupe keys. */
export async function insertEvents(client: Transaction, events: NewEvent[]): Promise<Set<string>> {
  const { rows } = await client.query<Pick<RowOf<typeof webhookEvents>, 'dedupe_key'>>(
    `insert into webhook_events (${eventColumnList})
     select * from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[],
       $9::timestamptz[], $10::uuid[], $11::jsonb[]) as u (${eventColumnList})
     order by dedupe_key
     on conflict (dedupe_key) do nothing returning dedupe_key`,
    [
      ...toArrays(events, ['dedupeKey', 'accountId', 'igUserId', 'kind', 'externalId', 'personId', 'outcome', 'jobId']),
      events.map(({ happenedAt }) => happenedAt),
      events.map(() => newId()),
      events.map(({ payload }) => (payload === null ? null : JSON.stringify(payload))),
    ],
  );
  return new Set(rows.map((row) => row.dedupe_key));
}

const recipientColumns = {
  ...pickColumns(instagramAccounts, ['accountId', 'igUserId', 'username', 'selfIgScopedId', 'autoReply', 'state']),
  ...personLimitColumns,
};
export type Recipient = Selected<typeof recipientColumns> & { isStorageFull: boolean; workflows: MatchableWorkflow[] };
/** With normalised keywords. */
export type MatchableWorkflow = Pick<typeof workflows.$inferSelect, 'id' | 'keywords' | 'mediaIds' | 'productId'>;

/** The connected accounts of these Instagram ids, with their enabled workflows, oldest first. */
export async function readRecipients(db: Database, igUserIds: string[]): Promise<Map<string, Recipient>> {
  const { rows } = await db.pool.query<Recipient>(
    `select ${selectList(recipientColumns, 'a')},
       coalesce(k.bytes >= storage_limit(a.account_id), false) as "isStorageFull", coalesce((
         select json_agg(json_build_object('id', w.id, 'keywords', w.keywords, 'mediaIds', w.media_ids, 'productId', w.product_id)
           order by w.id)
         from workflows w where w.ig_user_id = a.ig_user_id and w.account_id = a.account_id and w.enabled), '[]') as workflows
     from instagram_accounts a left join account_storage k on k.account_id = a.account_id
     where a.ig_user_id = any($1::text[])`,
    [igUserIds],
  );
  // Once a webhook, not once a comment.
  const toMatchable = ({ keywords, ...rest }: MatchableWorkflow) => ({
    ...rest,
    keywords: keywords.map((keyword) => normalise(keyword).trim()),
  });
  return new Map(rows.map((row) => [row.igUserId, { ...row, workflows: row.workflows.map(toMatchable) }]));
}

export type OptOut = typeof instagramOptOuts.$inferSelect;
type Person = Pick<OptOut, 'igUserId' | 'personId'>;

/** Stores the latest choice of each person. */
export async function recordOptOuts(client: Transaction, choices: OptOut[]): Promise<void> {
  const latest = new Map<string, OptOut>();
  for (const choice of choices.toSorted((a, b) => a.saidAt.getTime() - b.saidAt.getTime()))
    latest.set(`${choice.igUserId} ${choice.personId}`, choice);
  const sorted = [...latest].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, choice]) => choice);
  await client.query(
    `insert into instagram_opt_outs as o (ig_user_id, person_id, is_opted_out, said_at)
     select * from unnest($1::text[], $2::text[], $3::boolean[], $4::timestamptz[])
     on conflict (ig_user_id, person_id) do update set is_opted_out = excluded.is_opted_out, said_at = excluded.said_at
       where o.said_at <= excluded.said_at`,
    toArrays(sorted, ['igUserId', 'personId', 'isOptedOut', 'saidAt']),
  );
}

/** Those of these people who have opted out, as `ig_user_id person_id`. */
export async function readOptOuts(client: Transaction, people: Person[]): Promise<Set<string>> {
  const { rows } = await client.query<{ who: string }>(
    `select o.ig_user_id || ' ' || o.person_id as who from instagram_opt_outs o
     where o.is_opted_out and (o.ig_user_id, o.person_id) in (select * from unnest($1::text[], $2::text[]))`,
    toArrays(people, ['igUserId', 'personId']),
  );
  return new Set(rows.map((row) => row.who));
}

/** One person's answered comments and messages; `keptADay` counts stored events of the day, answered or not. */
export type Answered = PersonLimits & { keptADay: number };

/** The counts of these people, by `ig_user_id person_id`; none for those without events. */
export async function countAnswered(client: Transaction, people: Person[]): Promise<Map<string, Answered>> {
  const { rows } = await client.query<Answered & { who: string }>(
    `select ig_user_id || ' ' || person_id as who,
       count(*) filter (where outcome = 'queued' and kind = 'comment' and received_at > now() - interval '1 hour') as "commentsAnHour",
       count(*) filter (where outcome = 'queued' and kind = 'comment') as "commentsADay",
       count(*) filter (where outcome = 'queued' and kind <> 'comment' and received_at > now() - interval '1 hour') as "messagesAnHour",
       count(*) filter (where outcome = 'queued' and kind <> 'comment') as "messagesADay",
       count(*) filter (where payload is not null) as "keptADay"
     from webhook_events
     where received_at > now() - interval '1 day'
       and (ig_user_id, person_id) in (select * from unnest($1::text[], $2::text[]))
     group by ig_user_id, person_id`,
    toArrays(people, ['igUserId', 'personId']),
  );
  return new Map(rows.map(({ who, ...answered }) => [who, answered]));
}

/** Message ids are unique per Instagram account: two connected accounts that write to each other share them. */
export type MessageKey = { igUserId: string; messageId: string };
export const messageKey = ({ igUserId, messageId }: MessageKey): string => `${igUserId} ${messageId}`;

/** What stored events say of messages, by key: those that are unsent, and the latest text of edited ones. */
export async function readChanges(
  client: Transaction,
  messages: MessageKey[],
): Promise<{ unsent: Set<string>; edited: Map<string, string> }> {
  const { rows } = await client.query<{ kind: string; key: string; text: string | null }>(
    `select kind, ig_user_id || ' ' || external_id as key, payload #>> '{message_edit,text}' as text from webhook_events
     where external_id = any($2::text[]) and kind in ('message_unsent', 'message_edited')
       and (ig_user_id, external_id) in (select * from unnest($1::text[], $2::text[])) order by happened_at`,
    toArrays(messages, ['igUserId', 'messageId']),
  );
  return {
    unsent: new Set(rows.filter((row) => row.kind === 'message_unsent').map((row) => row.key)),
    edited: new Map(rows.flatMap((row) => (row.text === null ? [] : [[row.key, row.text] as const]))),
  };
}

/** Marks messages as unsent; those not answered yet are closed without an answer. */
export async function markUnsent(client: Transaction, unsent: MessageKey[]): Promise<void> {
  await client.query(
    `update messages m set unsent_at = now(), closed_at = coalesce(m.closed_at, now()),
       silence = case when m.closed_at is null then 'unsent' else m.silence end
     from unnest($1::text[], $2::text[]) as u (ig_user_id, id), conversations c
     where m.external_id = u.id and c.id = m.conversation_id and c.ig_user_id = u.ig_user_id and m.role = 'customer'`,
    toArrays(unsent, ['igUserId', 'messageId']),
  );
}

/** Replaces the text of messages that are not answered yet. */
export async function applyEdits(client: Transaction, edits: (MessageKey & { text: string })[]): Promise<void> {
  await client.query(
    `update messages m set text = u.text
     from unnest($1::text[], $2::text[], $3::text[]) as u (ig_user_id, id, text), conversations c
     where m.external_id = u.id and c.id = m.conversation_id and c.ig_user_id = u.ig_user_id
       and m.role = 'customer' and m.closed_at is null`,
    toArrays(edits, ['igUserId', 'messageId', 'text']),
  );
}

type Message = typeof messages.$inferSelect;
type MessageRow = RowOf<typeof messages>;
/** `id` is that of the job that answers it, where there is one. */
export type IncomingMessage = Pick<Message, 'id' | 'accountId' | 'text' | 'saidAt'> & {
  igUserId: string;
  personId: string;
  role: Exclude<Message['role'], 'assistant'>;
  messageId: string;
  needsAnswer: boolean;
};

/** Stores the messages that are new in their conversations on Instagram; returns conversation ids by message id. */
export async function insertIncoming(client: Transaction, messages: IncomingMessage[]): Promise<Map<string, string>> {
  const conversations = new Map(messages.map((m) => [`${m.accountId} ${m.igUserId} ${m.personId}`, m] as const));
  const sorted = [...conversations].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, m]) => m);
  await client.query(
    `insert into conversations (id, account_id, channel, ig_user_id, customer)
     select id, account_id, 'instagram', ig_user_id, customer
     from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) as u (id, account_id, ig_user_id, customer)
     on conflict (account_id, channel, coalesce(ig_user_id, ''), customer) do update set last_message_at = now()`,
    [sorted.map(() => newId()), ...toArrays(sorted, ['accountId', 'igUserId', 'personId'])],
  );
  const { rows } = await client.query<Pick<MessageRow, 'id' | 'conversation_id'>>(
    `with incoming as (
       select u.*, c.id as conversation_id
       from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[],
         $9::boolean[])
         as u (id, account_id, ig_user_id, person_id, role, message_id, text, said_at, needs_answer)
       join conversations c on c.account_id = u.account_id and c.channel = 'instagram'
         and coalesce(c.ig_user_id, '') = u.ig_user_id and c.customer = u.person_id
     ), added as (
       insert into messages (id, conversation_id, account_id, role, text, external_id, said_at, closed_at)
       select id, conversation_id, account_id, role, text, message_id, said_at, case when not needs_answer then now() end
       from incoming on conflict do nothing returning id, conversation_id
     )
     select id, conversation_id from added`,
    [
      ...toArrays(messages, ['id', 'accountId', 'igUserId', 'personId', 'role', 'messageId', 'text', 'saidAt']),
      messages.map(({ needsAnswer }) => needsAnswer),
    ],
  );
  return new Map(rows.map((row) => [row.id, row.conversation_id]));
}

const eventColumns = omitColumns(webhookEvents, ['dedupeKey', 'accountId', 'igUserId', 'payload', 'happenedAt']);
type Job = typeof jobs.$inferSelect;
export type EventView = Selected<typeof eventColumns> & Pick<Job, 'errorCode'> & { jobStatus: Job['status'] | null };

/** The newest events of a tenant's Instagram account, newest first, with the status of their jobs. */
export async function listEvents(
  db: Database,
  input: { accountId: string; igUserId: string; limit: number },
): Promise<EventView[]> {
  const { accountId, igUserId, id, jobId } = webhookEvents;
  return db.orm
    .select({ ...eventColumns, jobStatus: jobs.status, errorCode: jobs.errorCode })
    .from(webhookEvents)
    .leftJoin(jobs, and(eq(jobs.id, jobId), eq(jobs.accountId, accountId)))
    .where(and(eq(accountId, input.accountId), eq(igUserId, input.igUserId)))
    .orderBy(desc(id))
    .limit(input.limit);
}

const isLive = sql<boolean>`${webhookEvents.payload} ->> 'field' = 'live_comments'`;
export type CommentFacts = Pick<typeof webhookEvents.$inferSelect, 'happenedAt'> & { isLive: boolean };

/** The webhook event of a comment, or undefined. */
export async function findComment(
  db: Database,
  accountId: string,
  igUserId: string,
  commentId: string,
): Promise<CommentFacts | undefined> {
  const isComment = and(eq(webhookEvents.kind, 'comment'), eq(webhookEvents.externalId, commentId));
  const isTheirs = and(eq(webhookEvents.igUserId, igUserId), eq(webhookEvents.accountId, accountId));
  const rows = await db.orm
    .select({ happenedAt: webhookEvents.happenedAt, isLive })
    .from(webhookEvents)
    .where(and(isComment, isTheirs))
    .limit(1);
  return rows[0];
}
