-- What answers are drawn from besides knowledge: products, question/answer pairs, and the business's own prompt.

create table products (
  id             uuid primary key,
  account_id     uuid not null references accounts,
  -- SHA-256 of the canonical address and the sku (or what else tells products of one page apart): an extraction updates by it.
  key            bytea not null,
  name           text not null,
  price          numeric check (price >= 0),
  price_max      numeric check (price_max >= 0),
  currency       text,
  currency_label text,
  availability   text not null check (availability in ('in_stock', 'out_of_stock', 'unknown')),
  sku            text,
  gtin           text,
  mpn            text,
  brand          text,
  description    text,
  images         jsonb not null default '[]',
  url            text not null,
  -- Field to where its value came from. What came from the owner is never overwritten.
  sources        jsonb not null default '{}',
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now()
);
create unique index products_once on products (account_id, key);
create index products_by_url on products (account_id, url);
create index products_of_account on products (account_id, id desc);

create table qa_pairs (
  id           uuid primary key,
  account_id   uuid not null references accounts,
  product_id   uuid references products on delete cascade,
  url          text,
  -- SHA-256 of what the pair is about, and of the question as search sees it: the same one is never kept twice.
  source_key   bytea not null,
  question_key bytea not null,
  question     text not null,
  answer       text not null,
  corrected    boolean not null default false,
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now()
);
create unique index qa_pairs_once on qa_pairs (account_id, source_key, question_key);
create index qa_pairs_of_account on qa_pairs (account_id, id desc);
create index qa_pairs_of_product on qa_pairs (product_id);

-- The highest version is the one in use.
create table prompts (
  account_id uuid not null references accounts,
  version    integer not null,
  text       text not null,
  origin     text not null check (origin in ('generated', 'owner')),
  job_id     uuid unique,
  created_at timestamptz not null default now(),
  primary key (account_id, version)
);

-- One index for everything that can be searched; `source_id` is the id of the knowledge entry, product or pair.
create table passages (
  account_id uuid not null,
  kind       text not null check (kind in ('knowledge', 'product', 'qa')),
  source_id  uuid not null,
  position   integer not null,
  title      text not null,
  text       text not null,
  search     tsvector not null,
  primary key (source_id, position)
);
insert into passages (account_id, kind, source_id, position, title, text, search)
  select account_id, 'knowledge', knowledge_id, position, title, text, search from knowledge_passages;
drop table knowledge_passages;
create index passages_search on passages using gin (account_id, search);

-- Passages go with what they were cut from, whoever deletes it.
create function drop_passages() returns trigger language plpgsql as $$
begin
  delete from passages where source_id in (select id from gone);
  return null;
end $$;
create trigger drop_passages after delete on knowledge referencing old table as gone for each statement execute function drop_passages();
create trigger drop_passages after delete on products referencing old table as gone for each statement execute function drop_passages();
create trigger drop_passages after delete on qa_pairs referencing old table as gone for each statement execute function drop_passages();
