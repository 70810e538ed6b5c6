-- Who may use Tally, and what they bought.

create table accounts (
  id            uuid primary key,
  email         text not null unique check (email = lower(email)),
  password_hash text not null,
  role          text not null default 'tenant' check (role in ('tenant', 'operator')),
  -- Bumped by a password change: bearer tokens that carry an older one are refused.
  token_version integer not null default 1,
  created_at    timestamptz not null default now()
);

create table api_keys (
  id           uuid primary key,
  account_id   uuid not null references accounts,
  name         text not null,
  key_hash     bytea not null unique,
  hint         text not null,
  created_at   timestamptz not null default now()
);
create index api_keys_of_account on api_keys (account_id);

create table plans (
  id          text primary key,
  name        text not null,
  tokens      bigint not null check (tokens >= 0),
  period_days integer not null check (period_days > 0)
);
insert into plans (id, name, tokens, period_days) values
  ('starter', 'Starter', 10000, 30),
  ('growth', 'Growth', 100000, 30),
  ('scale', 'Scale', 1000000, 30);

-- One row a period: a renewal ends this row and starts the next.
create table subscriptions (
  id            uuid primary key,
  account_id    uuid not null references accounts,
  plan_id       text not null references plans,
  period_tokens bigint not null check (period_tokens >= 0),
  status        text not null check (status in ('active', 'inactive', 'expired', 'ended')),
  renews        boolean not null,
  is_current    boolean not null default true,
  starts_at     timestamptz not null,
  ends_at       timestamptz not null,
  -- False while an ended period still has holds that decide how many top-up tokens move on.
  carried_over  boolean not null default false,
  created_at    timestamptz not null default now(),
  check (ends_at >= starts_at)
);
create unique index subscriptions_one_current on subscriptions (account_id) where is_current;
create index subscriptions_to_renew on subscriptions (ends_at) where is_current and renews and status = 'active';
create index subscriptions_to_carry_over on subscriptions (id) where not is_current and not carried_over;
