-- What an account's answers are drawn from, cut into passages that full-text search ranks.

create extension if not exists btree_gin;

create table knowledge (
  id         uuid primary key,
  account_id uuid not null references accounts,
  title      text not null,
  text       text not null,
  created_at timestamptz not null default now()
);
create index knowledge_of_account on knowledge (account_id, id desc);

create table knowledge_passages (
  knowledge_id uuid not null references knowledge on delete cascade,
  account_id   uuid not null,
  position     integer not null,
  title        text not null,
  text         text not null,
  search       tsvector not null,
  primary key (knowledge_id, position)
);
create index knowledge_passages_search on knowledge_passages using gin (account_id, search);
