-- no transaction
drop index concurrently if exists webhook_events_of_person;
--;
create index concurrently webhook_events_of_person on webhook_events (ig_user_id, person_id, received_at);
