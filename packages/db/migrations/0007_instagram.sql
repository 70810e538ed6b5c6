-- Instagram: connected accounts, workflows for comments, every event that came, and every message that was sent.

create table instagram_accounts (
  id                uuid primary key,
  account_id        uuid not null references accounts,
  ig_user_id        text not null unique,
  username          text not null,
  self_ig_scoped_id text,
  -- Sealed with ENCRYPTION_KEY.
  access_token      text not null,
  token_issued_at   timestamptz not null default now(),
  -- Earliest next try of a refresh.
  token_refresh_at  timestamptz not null default now() + interval '1 day',
  token_expires_at  timestamptz,
  auto_reply        boolean not null default true,
  state             text not null default 'active' check (state in ('active', 'needs_login', 'paused')),
  state_reason      text,
  -- Meta asked us to slow down until then.
  slow_until        timestamptz,
  created_at        timestamptz not null default now()
);
create index instagram_accounts_of_account on instagram_accounts (account_id, id desc);
create index instagram_accounts_to_refresh on instagram_accounts (token_refresh_at) where state <> 'needs_login';

create table workflows (
  id           uuid primary key,
  account_id   uuid not null references accounts,
  ig_user_id   text not null,
  name         text not null,
  -- None: every comment. None: every post.
  keywords     text[] not null default '{}',
  media_ids    text[] not null default '{}',
  product_id   uuid references products on delete set null,
  instructions text,
  enabled      boolean not null default true,
  created_at   timestamptz not null default now()
);
create index workflows_of_account on workflows (account_id, id desc);
create index workflows_of_ig_user on workflows (ig_user_id);

create table webhook_events (
  id          uuid primary key,
  dedupe_key  text not null unique,
  account_id  uuid,
  ig_user_id  text,
  kind        text not null,
  -- Of a comment or message: its id there.
  external_id text,
  person_id   text,
  -- 'queued' where job_id says the rest, otherwise why nothing was answered.
  outcome     text not null,
  job_id      uuid,
  -- Null for accounts that nobody connected.
  payload     jsonb,
  happened_at timestamptz not null,
  received_at timestamptz not null default now()
);
create index webhook_events_of_account on webhook_events (account_id, ig_user_id, id desc);
create index webhook_events_changes on webhook_events (external_id) where kind in ('message_unsent', 'message_edited');
create index webhook_events_comments on webhook_events (external_id) where kind = 'comment';

-- One row a job that sends; written before the request leaves, so that nobody ever sends twice.
create table instagram_sends (
  -- The job's id.
  id             uuid primary key,
  account_id     uuid not null,
  ig_user_id     text not null,
  recipient_kind text not null check (recipient_kind in ('comment', 'person')),
  recipient_id   text not null,
  person_id      text,
  text           text not null,
  -- not_sent: refused for now, it may be tried again. sent never becomes anything else.
  state          text not null check (state in ('about_to_send', 'not_sent', 'sent', 'failed', 'uncertain')),
  -- The claim of the job that is sending, so that a late word of an earlier one can't reopen what it sends.
  fence          integer not null,
  -- How often it was begun.
  tries          integer not null default 1,
  message_id     text,
  -- What its job ends with, and Meta's own code.
  error_code     text,
  error          text,
  started_at     timestamptz not null default now(),
  finished_at    timestamptz
);
-- A comment may be answered in private once.
create unique index instagram_sends_once_a_comment on instagram_sends (ig_user_id, recipient_id) where recipient_kind = 'comment';
create index instagram_sends_unknown on instagram_sends (ig_user_id, started_at) where state in ('about_to_send', 'uncertain');
create index instagram_sends_by_message on instagram_sends (message_id);

create table instagram_opt_outs (
  ig_user_id   text not null,
  person_id    text not null,
  is_opted_out boolean not null,
  said_at      timestamptz not null,
  primary key (ig_user_id, person_id)
);
