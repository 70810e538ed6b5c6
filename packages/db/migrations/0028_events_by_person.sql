-- no transaction
drop index concurrently if exists webhook_events_answered;
--;
create index concurrently webhook_events_answered on webhook_events (ig_user_id, person_id, received_at)
  where outcome = 'queued';
