/** What is kept only for a time, a page at a time: each call is one short transaction and says how many rows it touched. */
import type { Database } from '../../connect.ts';

/** Of which age, in days, and how many rows a call. */
export type RetentionPage = { days: number; limit: number };

/**
 * Takes input, result and texts from jobs that ended so long ago; the rows stay for the ledger, and what was sent stays
 * sent, without its words. No index holds them in order of id; rows that somebody has locked wait for the next call.
 */
export async function expireJobs(db: Database, { days, limit }: RetentionPage): Promise<number> {
  const { rowCount } = await db.pool.query(
    `with due as materialized (
       select id, account_id, 200 + octet_length(input::text) as bytes from jobs where input is not null and finished_at < now() - make_interval(days => $1)
         and status not in ('queued', 'running')
       order by finished_at limit $2 for update skip locked
     ), steps as (
       delete from job_steps where job_id in (select id from due)
     ), sends as (
       update instagram_sends set text = '' where id in (select id from due) and text <> ''
     ), counters as materialized (
       select account_id from account_storage where account_id in (select account_id from due) order by account_id for update
     ), freed as (
       update account_storage k set bytes = k.bytes - d.bytes
       from (select account_id, sum(bytes) as bytes from due group by 1) d join counters using (account_id)
       where k.account_id = d.account_id
     )
     update jobs set input = null, result = null, progress = null, error = null where id in (select id from due)`,
    [days, limit],
  );
  return rowCount ?? 0;
}

/**
 * Deletes webhook events of that age. Their ids sort by age, so the oldest rows tell whether any is due. Meta delivers an
 * event again for up to 36 hours: one that is forgotten earlier would be answered twice.
 */
export async function deleteOldEvents(db: Database, { days, limit }: RetentionPage): Promise<number> {
  const { rowCount } = await db.pool.query(
    `with oldest as materialized (
       select id, received_at from webhook_events order by id limit $2 for update skip locked
     )
     delete from webhook_events e using oldest o
     where e.id = o.id and o.received_at < now() - make_interval(days => $1)`,
    [days, limit],
  );
  return rowCount ?? 0;
}

// One that is still to be answered is in the way of the others only until its job begins, which makes it young again.
const conversationsAtOnce = 100;

/**
 * Deletes messages of conversations in which nothing was said for so long, and the conversations once they are empty.
 * Never one that a job of `chatTask` is still to answer in.
 */
export async function deleteOldConversations(
  db: Database,
  { days, limit, chatTask }: RetentionPage & { chatTask: string },
): Promise<number> {
  const { rows } = await db.pool.query<{ count: number }>(
    `with oldest as materialized (
       select id from conversations where last_message_at < now() - make_interval(days => $1)
       order by last_message_at limit $4 for update skip locked
     ), due as materialized (
       select o.id from oldest o
       where not exists (select from messages m join jobs j on j.id = m.id
           where m.conversation_id = o.id and j.status in ('queued', 'running'))
         -- A message that has not come into its conversation yet is only its job's input.
         and not exists (select from jobs
           where task = $3 and status = 'queued' and input ->> 'conversation_id' = o.id::text)
         and not exists (select from jobs
           where task = $3 and status = 'running' and input ->> 'conversation_id' = o.id::text)
     ), silenced as (
       delete from messages where id in (
         select m.id from messages m where m.conversation_id in (select id from due) limit $2)
       returning id
     ), emptied as (
       delete from conversations c using due d
       where c.id = d.id and not exists (select from messages m where m.conversation_id = c.id)
       returning c.id
     )
     select (select count(*) from silenced) + (select count(*) from emptied) as count`,
    [days, limit, chatTask, conversationsAtOnce],
  );
  return rows[0]?.count ?? 0;
}
