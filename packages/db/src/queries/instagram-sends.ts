/** Sending once: what is about to leave is written down before, and what became of it after. */
import type { Database, Transaction } from '../connect.ts';

export type SendRequest = {
  /** The job's id: a job sends once. */
  id: string;
  accountId: string;
  igUserId: string;
  recipient: { kind: 'comment' | 'person'; id: string };
  personId: string | null;
  text: string;
};

export type SendState = 'about_to_send' | 'not_sent' | 'sent' | 'failed' | 'uncertain';

export type SendStart =
  /** Send now: nobody has. */
  | { verdict: 'send'; text: string }
  /** It was written down before: whether it left is in its state. */
  | { verdict: 'known'; state: SendState; messageId: string | null; text: string; error: string | null; ageMs: number }
  /** Another job has answered this comment, or is about to. */
  | { verdict: 'taken' }
  /** The person wants no replies, or has taken the message back. */
  | { verdict: 'unwanted' };

/** Writes down that a job is about to send. To be called under the job's fence. */
export async function beginSend(client: Transaction, send: SendRequest): Promise<SendStart> {
  const known = await findSend(client, send.id);
  if (known !== undefined && known.state !== 'not_sent') return { verdict: 'known', ...known };
  if (await isUnwanted(client, send)) {
    await client.query('update messages set closed_at = now() where answer_job = $1 and closed_at is null', [send.id]);
    return { verdict: 'unwanted' };
  }
  const { rows } = await client.query<{ text: string }>(
    `insert into instagram_sends as s (id, account_id, ig_user_id, recipient_kind, recipient_id, person_id, text, state)
     values ($1, $2, $3, $4, $5, $6, $7, 'about_to_send')
     on conflict do nothing returning text`,
    [send.id, send.accountId, send.igUserId, send.recipient.kind, send.recipient.id, send.personId, send.text],
  );
  if (rows[0] !== undefined) return { verdict: 'send', text: rows[0].text };
  const again = await client.query<{ text: string }>(
    `update instagram_sends set state = 'about_to_send', started_at = now() where id = $1 and state = 'not_sent' returning text`,
    [send.id],
  );
  return again.rows[0] === undefined ? { verdict: 'taken' } : { verdict: 'send', text: again.rows[0].text };
}

type KnownSend = { state: SendState; messageId: string | null; text: string; error: string | null; ageMs: number };

async function findSend(client: Transaction, id: string): Promise<KnownSend | undefined> {
  const { rows } = await client.query<KnownSend>(
    `select state, message_id as "messageId", text, error,
       (extract(epoch from now() - started_at) * 1000)::float8 as "ageMs"
     from instagram_sends where id = $1 for update`,
    [id],
  );
  return rows[0];
}

async function isUnwanted(client: Transaction, send: SendRequest): Promise<boolean> {
  const { rows } = await client.query<{ unwanted: boolean }>(
    `select exists (select from instagram_opt_outs where ig_user_id = $1 and person_id = $2 and is_opted_out)
       or (exists (select from messages where answer_job = $3)
         and not exists (select from messages m where m.answer_job = $3 and m.unsent_at is null
           and not exists (select from webhook_events e where e.kind = 'message_unsent' and e.external_id = m.external_id)))
       as unwanted`,
    [send.igUserId, send.personId, send.id],
  );
  return rows[0]?.unwanted ?? false;
}

/**
 * Writes down what became of a send, whoever owns the job by now: what left has left. A message once sent stays that.
 * A reply of a conversation learns of it too.
 */
export async function endSend(
  db: Database,
  input: { id: string; state: Exclude<SendState, 'about_to_send'>; messageId?: string; error?: string },
): Promise<void> {
  await db.pool.query(
    `with ended as (
       update instagram_sends set state = $2, message_id = coalesce($3, message_id), error = $4, finished_at = now()
       where id = $1 and state <> 'sent' returning id, state, message_id
     )
     update messages m set delivery = case e.state when 'not_sent' then 'sending' else e.state end,
       external_id = coalesce(m.external_id, e.message_id)
     from ended e, messages taken where taken.answer_job = e.id and m.id = taken.reply_id`,
    [input.id, input.state, input.messageId ?? null, input.error ?? null],
  );
}

export type Echo = { igUserId: string; personId: string; messageId: string; text: string; saidAt: Date };

/**
 * Reads echoes of what our accounts sent: those that confirm a message of ours, by its id or, where its outcome is not
 * known yet, by its words. Returns the ids of the messages that are ours; the others were written by a human.
 */
export async function confirmSends(client: Transaction, echoes: Echo[]): Promise<Set<string>> {
  const { rows } = await client.query<{ message_id: string }>(
    `with echo as (
       select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
         as u (ig_user_id, person_id, message_id, text, said_at)
     ), known as (
       select e.message_id from echo e join instagram_sends s on s.message_id = e.message_id
     ), matched as (
       select distinct on (s.id) s.id, e.message_id from echo e join instagram_sends s on s.ig_user_id = e.ig_user_id
         and s.state in ('about_to_send', 'uncertain') and s.text = e.text
         and (s.recipient_id = e.person_id or s.person_id = e.person_id or s.person_id is null and s.recipient_kind = 'comment')
         -- The same words may have been said before; Meta's clock and ours are not the same.
         and e.said_at > s.started_at - interval '5 seconds' and s.started_at > now() - interval '1 day'
       where e.message_id not in (select message_id from known)
       order by s.id
     ), confirmed as (
       update instagram_sends s set state = 'sent', message_id = m.message_id, error = null, finished_at = now()
       from matched m where s.id = m.id and s.state <> 'sent' returning s.id, s.message_id
     ), delivered as (
       update messages r set delivery = 'sent', external_id = coalesce(r.external_id, c.message_id)
       from confirmed c, messages taken where taken.answer_job = c.id and r.id = taken.reply_id
     )
     select message_id from known union select message_id from confirmed`,
    [
      echoes.map((e) => e.igUserId),
      echoes.map((e) => e.personId),
      echoes.map((e) => e.messageId),
      echoes.map((e) => e.text),
      echoes.map((e) => e.saidAt),
    ],
  );
  return new Set(rows.map((row) => row.message_id));
}

/** Puts a private reply into the conversation that it opens, so that the next answer there knows of it. */
export async function rememberPrivateReply(
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

/** Whether another job has answered a comment in private, or is about to. */
export async function isCommentTaken(
  db: Database,
  input: { jobId: string; igUserId: string; commentId: string },
): Promise<boolean> {
  const { rowCount } = await db.pool.query(
    `select from instagram_sends where ig_user_id = $1 and recipient_kind = 'comment' and recipient_id = $2 and id <> $3`,
    [input.igUserId, input.commentId, input.jobId],
  );
  return rowCount !== 0;
}

/** Whether a person wants no automatic replies from an Instagram account. */
export async function isOptedOut(
  db: { pool: Pick<Transaction, 'query'> },
  igUserId: string,
  personId: string,
): Promise<boolean> {
  const { rowCount } = await db.pool.query(
    'select from instagram_opt_outs where ig_user_id = $1 and person_id = $2 and is_opted_out',
    [igUserId, personId],
  );
  return rowCount !== 0;
}

/** When the customer wrote last, which decides how long a reply may be sent. */
export async function lastHeardAt(db: Database, conversationId: string): Promise<Date | undefined> {
  const { rows } = await db.pool.query<{ at: Date | null }>(
    `select max(said_at) as at from messages where conversation_id = $1 and role = 'customer'`,
    [conversationId],
  );
  return rows[0]?.at ?? undefined;
}
