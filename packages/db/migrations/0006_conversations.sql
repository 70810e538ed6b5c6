-- Conversations with customers, by API or on Instagram.

create table conversations (
  id              uuid primary key,
  account_id      uuid not null references accounts,
  channel         text not null check (channel in ('api', 'instagram')),
  ig_user_id      text,
  customer        text not null,
  -- Set while a human answers.
  paused_at       timestamptz,
  created_at      timestamptz not null default now(),
  last_message_at timestamptz not null default now()
);
create unique index conversations_once on conversations (account_id, channel, coalesce(ig_user_id, ''), customer);
create index conversations_of_account on conversations (account_id, last_message_at desc, id desc);

create table messages (
  -- Of a customer's message: the id of the job that was submitted with it.
  id              uuid primary key,
  conversation_id uuid not null references conversations on delete cascade,
  account_id      uuid not null,
  role            text not null check (role in ('customer', 'assistant', 'human')),
  text            text not null,
  -- Instagram's message id.
  external_id     text,
  said_at         timestamptz not null,
  received_at     timestamptz not null default now(),
  -- The job that answers this message; it may be another message's.
  answer_job      uuid,
  reply_id        uuid,
  -- A customer's message that needs no answer any more: answered, unsent, or left to a human.
  closed_at       timestamptz,
  -- Why a closed message has no reply.
  silence         text check (silence in ('paused', 'unsent', 'opted_out', 'reply_cap', 'failed')),
  unsent_at       timestamptz,
  -- Of a reply that leaves for Instagram: null until it is known to have arrived or to have failed.
  delivery        text check (delivery in ('sending', 'sent', 'failed', 'uncertain')),
  corrected       boolean not null default false
);
create index messages_of_conversation on messages (conversation_id, said_at desc, id desc);
create unique index messages_once on messages (conversation_id, external_id) where external_id is not null;
create index messages_by_external_id on messages (external_id) where external_id is not null;
create index messages_answered_by on messages (answer_job);
create index messages_open on messages (conversation_id, said_at, id) where role = 'customer' and closed_at is null;
