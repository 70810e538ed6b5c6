-- As 0017 has it, but the subscription is locked as start_period locks it before it is changed: to strengthen the lock later
-- could meet an intent that waits for the account while it holds the subscription.
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
  perform from subscriptions where account_id = p_account and is_current for update;
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
