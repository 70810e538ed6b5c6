-- no transaction
-- What retention, export and erasure page through.
drop index concurrently if exists jobs_to_expire;
--;
create index concurrently jobs_to_expire on jobs (finished_at) where input is not null and finished_at is not null;
--;
drop index concurrently if exists conversations_by_age;
--;
create index concurrently conversations_by_age on conversations (last_message_at);
--;
drop index concurrently if exists messages_of_account;
--;
create index concurrently messages_of_account on messages (account_id, id);
--;
drop index concurrently if exists instagram_sends_of_account;
--;
create index concurrently instagram_sends_of_account on instagram_sends (account_id, id);
--;
drop index concurrently if exists subscriptions_of_account;
--;
create index concurrently subscriptions_of_account on subscriptions (account_id, id);
--;
drop index concurrently if exists accounts_being_erased;
--;
create index concurrently accounts_being_erased on accounts (erased_at) where erasure_ended_at is null and erased_at is not null;
--;
-- In one direction, so that pages can go through all of an account's events; it serves what the former one served.
drop index concurrently if exists webhook_events_in_order;
--;
create index concurrently webhook_events_in_order on webhook_events (account_id, ig_user_id, id);
--;
drop index concurrently if exists webhook_events_of_account;
--;
alter table jobs validate constraint jobs_open_have_input;
