-- no transaction
-- How many jobs of an account wait, for the limit of it.
drop index concurrently if exists jobs_queued_of_account;
--;
create index concurrently jobs_queued_of_account on jobs (account_id) where status = 'queued';
