/** Deletes data after its retention period, in pages: each call is one transaction and returns its row count. */
import type { Database } from '../../connect.ts';

/** The age in days, and the most rows a call. */
export type RetentionPage = { days: number; limit: number };

/**
 * Deletes the texts (input, result, steps, sent text) of jobs that ended that long ago; the rows stay for the ledger.
 * Locked rows are left to the next call.
 */
export async function expireJobs(db: Database, { days, limit }: RetentionPage): Promise<number> {
  const { rowCount } = await db.pool.query(
    `with due as materialized (
       select id, account_id, 200 + octet_length(input::text) as bytes from jobs
       where input is not null and finished_at < now() - make_interval(days => $1) and status not in ('queued', 'running')
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
 * Deletes webhook events of that age, found by looking at the oldest ids. Meta redelivers an event for up to 36 hours:
 * one deleted earlier would be answered twice.
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

// A conversation with a waiting job keeps its place among these only until that job begins, which renews its age.
const conversationsAtOnce = 100;

/**
 * Deletes messages of conversations without a new message for that long, and the conversations once they are empty;
 * none where a job of `chatTask` is queued or running.
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
         -- Before its job is claimed, a message exists only as the job's input.
         and not exists (select from jobs
           where task = $3 and status = 'queued' and input ->> 'conversation_id' = o.id::text)
         and not exists (select from jobs
           where task = $3 and status = 'running' and input ->> 'conversation_id' = o.id::text)
     ), removed as (
       delete from messages where id in (
         select m.id from messages m where m.conversation_id in (select id from due) limit $2)
       returning id
     ), emptied as (
       delete from conversations c using due d
       where c.id = d.id and not exists (select from messages m where m.conversation_id = c.id)
       returning c.id
     )
     select (select count(*) from removed) + (select count(*) from emptied) as count`,
    [days, limit, chatTask, conversationsAtOnce],
  );
  return rows[0]?.count ?? 0;
}
