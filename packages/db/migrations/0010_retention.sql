-- What is kept only for a time: the texts of ended jobs, and all that an account has once it asks for its erasure.

-- Null: expired or erased. The row stays, since the ledger refers to it; without its input it can't run again.
alter table jobs alter column input drop not null;
-- Validated by the next file, which doesn't keep writers waiting.
alter table jobs add constraint jobs_open_have_input check (input is not null or status not in ('queued', 'running')) not valid;

alter table accounts
  -- From here on nobody can log in; upkeep removes what is left.
  add column erased_at timestamptz,
  -- Nothing was left.
  add column erasure_ended_at timestamptz;
