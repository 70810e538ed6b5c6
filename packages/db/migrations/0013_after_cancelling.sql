-- What goes with a job that is cancelled, whoever ends it; and a wish to cancel wins over any other end but completion.

drop trigger end_cancelled on jobs;
create trigger end_cancelled before update on jobs for each row
  when (old.status = 'running' and new.status in ('queued', 'failed', 'rejected') and new.cancel_requested_at is not null)
  execute function end_cancelled();

-- What a job had prepared and not begun to send is nobody's any more: another job may answer the same comment, and the
-- messages that it took are open again for their own jobs. What is on its way, or may have left, stays.
create function clean_cancelled() returns trigger language plpgsql as $$
begin
  delete from job_steps where job_id = new.id;
  delete from instagram_sends where id = new.id and state = 'not_sent';
  if exists (select from instagram_sends where id = new.id) then return null; end if;
  -- Conversations before their messages, as everywhere.
  perform from conversations
    where id in (select conversation_id from messages where answer_job = new.id) order by id for update;
  delete from messages r
    where r.delivery = 'sending' and r.id in (select m.reply_id from messages m where m.answer_job = new.id);
  if not found then return null; end if;
  update messages set reply_id = null, closed_at = case when id = new.id then closed_at end,
      answer_job = case when id = new.id then answer_job end
    where answer_job = new.id and silence is null;
  return null;
end $$;
create trigger clean_cancelled after update on jobs for each row
  when (new.status = 'cancelled' and old.status <> 'cancelled')
  execute function clean_cancelled();
