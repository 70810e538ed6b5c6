-- An address is its owner's once a link that was sent there has been followed.

alter table accounts add column email_confirmed_at timestamptz;
-- Those from before are taken to be.
update accounts set email_confirmed_at = created_at;

-- What was sent by e-mail, as its hash: works once, for a time.
create table email_links (
  token_hash    bytea primary key,
  account_id    uuid not null references accounts on delete cascade,
  purpose       text not null check (purpose in ('confirm', 'reset')),
  -- Of one who registers an address that another one has, unconfirmed: theirs from the confirmation on.
  password_hash text,
  created_at    timestamptz not null default now(),
  expires_at    timestamptz not null,
  used_at       timestamptz
);
create index email_links_of_account on email_links (account_id);
create index email_links_by_expiry on email_links (expires_at);

-- SHA-256 of addresses that have had SIGNUP_PLAN, tags and dots taken off: also of accounts that are erased since.
create table signup_plans (
  address_hash bytea primary key,
  given_at     timestamptz not null default now()
);
