-- A period that is booked ahead, and accounts that an operator has suspended.

alter table accounts
  -- The period, its balance and its numbers stay as they are; nothing is used, and nothing is renewed.
  add column suspended_at timestamptz,
  add column suspended_reason text;

-- At most one an account; it becomes a period, under this id, when it begins.
create table booked_periods (
  account_id    uuid primary key references accounts,
  id            uuid not null,
  plan_id       text not null references plans,
  period_tokens bigint not null check (period_tokens >= 0),
  renews        boolean not null,
  starts_at     timestamptz not null,
  ends_at       timestamptz not null,
  booked_by     uuid,
  created_at    timestamptz not null default now(),
  check (ends_at >= starts_at)
);
create index booked_periods_by_start on booked_periods (starts_at);

-- Why an account gives no access, before tokens are looked at; null where it does. See subscription_refusal().
create function access_refusal(suspended_at timestamptz, status text, starts_at timestamptz, ends_at timestamptz) returns text
  language sql stable return case
    when status is not null and suspended_at is not null then 'subscription_inactive'
    else subscription_refusal(status, starts_at, ends_at)
  end;

-- Whether whoever meets this account has to start its next period first.
create function is_period_due(
  suspended_at timestamptz, status text, renews boolean, ends_at timestamptz, booked_starts_at timestamptz
) returns boolean
  language sql stable return suspended_at is null
    and (coalesce(booked_starts_at <= now(), false) or coalesce(renews and status = 'active' and ends_at <= now(), false));

-- Starts the period that is due, booked or renewed; true where one was started. However late it comes, the next period is
-- the one that contains now, and borders stay where the first one put them.
create or replace function renew_period(p_id uuid, p_account uuid) returns boolean language plpgsql as $$
declare
  old subscriptions;
  booked booked_periods;
  period interval;
  starts timestamptz;
  is_started boolean := false;
begin
  perform from accounts where id = p_account and suspended_at is null for update;
  if not found then return false; end if;
  delete from booked_periods where account_id = p_account and starts_at <= now() returning * into booked;
  if found then
    update subscriptions set ends_at = greatest(starts_at, least(ends_at, booked.starts_at))
      where account_id = p_account and is_current;
    perform start_period(booked.id, p_account, booked.plan_id, booked.period_tokens, 'active', booked.renews,
      booked.starts_at, booked.ends_at, booked.booked_by);
    is_started := true;
  end if;
  select * into old from subscriptions
    where account_id = p_account and is_current and renews and status = 'active' and ends_at <= now() for update;
  if not found then return is_started; end if;
  select make_interval(days => period_days) into period from plans where id = old.plan_id;
  starts := old.ends_at + floor(extract(epoch from now() - old.ends_at) / extract(epoch from period)) * period;
  perform start_period(p_id, p_account, old.plan_id, old.period_tokens, 'active', true, starts, starts + period, null);
  return true;
end $$;
