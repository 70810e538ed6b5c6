/** Sending at most once: a send is recorded before it begins, and its outcome after it. */
import { type Database, inRepeatedTransaction, type Transaction } from '../../connect.ts';
import { and, eq, isNull, max, ne, sql } from '../../drizzle.ts';
import { pickColumns, type Selected, selectList, toArrays } from '../../schema/columns.ts';
import { instagramOptOuts, instagramSends, messages } from '../../schema/index.ts';

type Send = typeof instagramSends.$inferSelect;
/** `id` is the job's, which sends at most once. */
export type SendRequest = Pick<Send, 'id' | 'accountId' | 'fence' | 'igUserId' | 'personId' | 'text'> & {
  recipient: { kind: Send['recipientKind']; id: string };
};
export type SendState = Send['state'];

const knownColumns = pickColumns(instagramSends, [
  'igUserId',
  'personId',
  'state',
  'fence',
  'messageId',
  'text',
  'errorCode',
  'error',
]);
/** A recorded send. */
export type KnownSend = Selected<typeof knownColumns> & { ageMs: number };

export type SendStart =
  /** Send now. `tries` counts the attempts to send, this one included. */
  | { verdict: 'send'; tries: number }
  /** Another attempt has begun it: look for its outcome. */
  | { verdict: 'begun' }
  | { verdict: 'unwanted'; why: 'opted_out' | 'paused' };

/**
 * Records that a job is about to send. To be called under the job's fence, once an attempt.
 * @throws a unique violation (see isUniqueViolation) where another job has answered this comment, or is about to
 */
export async function beginSend(client: Transaction, send: SendRequest): Promise<SendStart> {
  const why = await findObjection(client, send);
  if (why !== null) {
    await client.orm
      .update(messages)
      .set({ closedAt: sql`now()`, silence: why })
      .where(and(eq(messages.answerJob, send.id), isNull(messages.closedAt)));
    return { verdict: 'unwanted', why };
  }
  // A row under the same fence is from an earlier try of this statement whose outcome was unknown.
  const { recipient, ...row } = send;
  const { id, state, fence, tries } = instagramSends;
  const begin = { text: send.text, state: 'about_to_send', fence: send.fence } as const;
  const [begun] = await client.orm
    .insert(instagramSends)
    .values({ ...row, recipientKind: recipient.kind, recipientId: recipient.id, ...begin })
    .onConflictDoUpdate({
      target: id,
      set: { ...begin, startedAt: sql`now()`, tries: sql`${tries} + (${fence} <> ${send.fence})::integer` },
      setWhere: sql`${state} = 'not_sent' or (${state} = 'about_to_send' and ${fence} = ${send.fence})`,
    })
    .returning({ tries });
  return begun === undefined ? { verdict: 'begun' } : { verdict: 'send', tries: begun.tries };
}

/** The recorded send of a job; undefined before it began one. */
export async function findSend(db: Database, id: string): Promise<KnownSend | undefined> {
  const { rows } = await db.hot.query<KnownSend>({
    name: 'find_send',
    text: `select ${selectList(knownColumns)}, (extract(epoch from now() - started_at) * 1000)::float8 as "ageMs"
      from instagram_sends where id = $1`,
    values: [id],
  });
  return rows[0];
}

async function findObjection(client: Transaction, send: SendRequest): Promise<'opted_out' | 'paused' | null> {
  const { rows } = await client.query<{ why: 'opted_out' | 'paused' | null }>(
    `select case
       when exists (select from instagram_opt_outs where ig_user_id = $1 and person_id = $2 and is_opted_out) then 'opted_out'
       when exists (select from messages m join conversations c on c.id = m.conversation_id
         where m.answer_job = $3 and c.paused_at is not null) then 'paused'
       end as why`,
    [send.igUserId, send.personId, send.id],
  );
  return rows[0]?.why ?? null;
}

export type SendEnd = {
  id: string;
  /** `not_sent` is accepted only from the attempt that began the send, every other outcome from any. */
  fence: number;
  state: Exclude<SendState, 'about_to_send'>;
  messageId?: string;
  errorCode?: string;
  error?: string;
};

/** Records the outcome of a send, and the delivery of its reply in a conversation. `sent` is final. */
export async function endSend(db: Database, end: SendEnd): Promise<void> {
  // Repeated where the message's echo is stored at the same time.
  await inRepeatedTransaction(db, async (client) => {
    // An echo that came first, with a slightly different text, was stored as a human's message.
    if (end.messageId !== undefined)
      await client.query(
        `delete from messages m using conversations c where m.external_id = $2 and m.role = 'human'
           and c.id = m.conversation_id and c.ig_user_id = (select ig_user_id from instagram_sends where id = $1)`,
        [end.id, end.messageId],
      );
    await client.query(
      `with ended as (
         update instagram_sends set state = $2, message_id = coalesce($3, message_id), error_code = $4, error = $5,
           finished_at = now()
         where id = $1 and state <> 'sent' and ($2 <> 'not_sent' or (state = 'about_to_send' and fence = $6))
         returning id, state, message_id
       )
       update messages m set delivery = case e.state when 'not_sent' then 'sending' else e.state end,
         external_id = case when exists (select from messages o where o.conversation_id = m.conversation_id
             and o.external_id = e.message_id and o.id <> m.id) then m.external_id
           else coalesce(m.external_id, e.message_id) end
       from ended e where m.id = (select reply_id from messages where answer_job = e.id and reply_id is not null limit 1)`,
      [end.id, end.state, end.messageId ?? null, end.errorCode ?? null, end.error ?? null, end.fence],
    );
  });
}

/** The first of these Instagram message ids that no recorded send has. */
export async function firstUnknownMessage(db: Database, messageIds: string[]): Promise<string | undefined> {
  const { rows } = await db.pool.query<{ id: string }>(
    `select u.id from unnest($1::text[]) with ordinality as u (id, position)
     where not exists (select from instagram_sends s where s.message_id = u.id) order by u.position limit 1`,
    [messageIds],
  );
  return rows[0]?.id;
}

export type Echo = { igUserId: string; personId: string; messageId: string; text: string; saidAt: Date };

/**
 * Matches echoes with sends: by message id or, where a send's outcome is unknown, by its text, which marks it as sent.
 * Returns the message ids that are ours; the others were written by a human.
 */
export async function confirmSends(client: Transaction, echoes: Echo[]): Promise<Set<string>> {
  const { rows } = await client.query<{ message_id: string }>(
    `with echo as (
       select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
         as u (ig_user_id, person_id, message_id, text, said_at)
     ), known as (
       select e.message_id from echo e join instagram_sends s on s.message_id = e.message_id
     ), heard as (
       -- Of several sends with the same text, the first echo confirms the first.
       select e.*, row_number() over (partition by ig_user_id, person_id, text order by said_at, message_id) as place
       from echo e where e.message_id not in (select message_id from known)
     ), waiting as (
       select s.id, e.ig_user_id, e.person_id, e.text,
         row_number() over (partition by e.ig_user_id, e.person_id, e.text order by s.started_at, s.id) as place
       from (select distinct ig_user_id, person_id, text, max(said_at) as said_at from heard group by 1, 2, 3) e
       join instagram_sends s on s.ig_user_id = e.ig_user_id and s.text = e.text
         and s.state in ('about_to_send', 'uncertain')
         and (e.person_id in (s.recipient_id, s.person_id) or s.person_id is null and s.recipient_kind = 'comment')
         -- Excludes earlier messages of the same text; Meta's clock and ours differ.
         and e.said_at > s.started_at - interval '5 seconds' and s.started_at > now() - interval '1 day'
     ), matched as (
       select w.id, h.message_id from waiting w join heard h using (ig_user_id, person_id, text, place)
     ), confirmed as (
       update instagram_sends s set state = 'sent', message_id = m.message_id, error_code = null, error = null,
         finished_at = now()
       from matched m where s.id = m.id and s.state <> 'sent' returning s.id, s.message_id
     ), delivered as (
       update messages r set delivery = 'sent', external_id = coalesce(r.external_id, c.message_id)
       from confirmed c where r.id = (select reply_id from messages where answer_job = c.id and reply_id is not null limit 1)
     )
     select message_id from known union select message_id from confirmed`,
    toArrays(echoes, ['igUserId', 'personId', 'messageId', 'text', 'saidAt']),
  );
  return new Set(rows.map((row) => row.message_id));
}

/** Stores a private reply in the conversation that it opens, for later answers to read. */
export async function storePrivateReply(
  db: Database,
  input: { id: string; accountId: string; igUserId: string; personId: string; text: string; messageId: string },
): Promise<void> {
  await db.pool.query(
    `with conversation as (
       insert into conversations (id, account_id, channel, ig_user_id, customer) values (gen_random_uuid(), $2, 'instagram', $3, $4)
       on conflict (account_id, channel, coalesce(ig_user_id, ''), customer) do update set last_message_at = now()
       returning id
     )
     insert into messages (id, conversation_id, account_id, role, text, external_id, said_at, delivery)
     select $1, id, $2, 'assistant', $5, $6, now(), 'sent' from conversation on conflict do nothing`,
    [input.id, input.accountId, input.igUserId, input.personId, input.text, input.messageId],
  );
}

/** Whether another job has sent a private reply to a comment, or is about to. */
export async function isCommentAnswered(
  db: Database,
  input: { jobId: string; igUserId: string; commentId: string },
): Promise<boolean> {
  const { id, igUserId, recipientKind, recipientId } = instagramSends;
  const isReply = and(eq(recipientKind, 'comment'), eq(recipientId, input.commentId), ne(id, input.jobId));
  return (await db.orm.$count(instagramSends, and(eq(igUserId, input.igUserId), isReply))) > 0;
}

/** Whether a person has opted out of an Instagram account's automatic replies. */
export async function isOptedOut(db: Pick<Database, 'orm'>, igUserId: string, personId: string): Promise<boolean> {
  const isPerson = and(eq(instagramOptOuts.igUserId, igUserId), eq(instagramOptOuts.personId, personId));
  const rows = await db.orm.select({ isOptedOut: instagramOptOuts.isOptedOut }).from(instagramOptOuts).where(isPerson);
  return rows[0]?.isOptedOut ?? false;
}

/** When the customer wrote last, from which Meta's reply window counts. */
export async function lastCustomerMessageAt(db: Database, conversationId: string): Promise<Date | undefined> {
  const rows = await db.orm
    .select({ at: max(messages.saidAt) })
    .from(messages)
    .where(and(eq(messages.conversationId, conversationId), eq(messages.role, 'customer')));
  return rows[0]?.at ?? undefined;
}
