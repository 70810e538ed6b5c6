-- The ledger: two append-only tables, and a balance that only their triggers can move.

create table token_grants (
  id              uuid primary key,
  account_id      uuid not null,
  subscription_id uuid not null,
  kind            text not null check (kind in ('period', 'top_up', 'adjustment', 'refund', 'carry_over')),
  tokens          bigint not null check (tokens > 0),
  reason          text not null,
  idempotency_key text not null unique,
  granted_by      uuid,
  created_at      timestamptz not null default now()
);
create index token_grants_of_subscription on token_grants (subscription_id) include (tokens);

-- One row for every model call that was sent; its id is the id of the hold that paid for it.
create table ai_usage_log (
  id                  uuid primary key,
  account_id          uuid not null,
  subscription_id     uuid not null,
  job_id              uuid not null,
  step                text not null,
  fence               integer not null,
  task                text not null,
  model               text not null,
  input_tokens        bigint not null check (input_tokens >= 0),
  cached_input_tokens bigint not null check (cached_input_tokens >= 0),
  output_tokens       bigint not null check (output_tokens >= 0),
  reasoning_tokens    bigint not null check (reasoning_tokens >= 0),
  total_tokens        bigint not null check (total_tokens >= 0),
  billed_tokens       bigint not null check (billed_tokens between 0 and total_tokens),
  evidence            text not null check (evidence in ('reported', 'estimated', 'unknown')),
  outcome             text not null,
  -- What the provider reported where it could not be believed (negative, fractional, huge).
  refused_usage       jsonb,
  provider_request_id text,
  latency_ms          integer not null,
  -- Why an operator took tokens away; null for a model call.
  reason              text,
  created_at          timestamptz not null default now()
);
create unique index ai_usage_log_billed_once on ai_usage_log (job_id, step) include (billed_tokens) where billed_tokens > 0;
create index ai_usage_log_of_subscription on ai_usage_log (subscription_id) include (billed_tokens);
create index ai_usage_log_of_account on ai_usage_log (account_id, created_at);

create table token_holds (
  id              uuid primary key,
  account_id      uuid not null,
  subscription_id uuid not null,
  job_id          uuid not null,
  step            text not null,
  fence           integer not null,
  tokens          bigint not null check (tokens > 0),
  expires_at      timestamptz not null
);
create index token_holds_of_subscription on token_holds (subscription_id);
create index token_holds_of_job on token_holds (job_id);
create index token_holds_by_expiry on token_holds (expires_at);

create table subscription_balances (
  subscription_id uuid primary key references subscriptions,
  tokens_granted  bigint not null default 0 check (tokens_granted >= 0),
  tokens_consumed bigint not null default 0 check (tokens_consumed >= 0),
  -- Assigned under the row's lock, so that version order is commit order.
  version         bigint not null default 1
) with (fillfactor = 50);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % refused', tg_table_name, tg_op using errcode = 'restrict_violation';
end $$;
create trigger append_only before update or delete or truncate on token_grants
  for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on ai_usage_log
  for each statement execute function refuse_change();

-- Balances are a fold: a statement that is not itself a trigger's may not touch them.
create function refuse_direct_change() returns trigger language plpgsql as $$
begin
  if pg_trigger_depth() < 2 then
    raise exception 'subscription_balances is moved by triggers only: % refused', tg_op using errcode = 'restrict_violation';
  end if;
  return null;
end $$;
create trigger moved_by_triggers_only before insert or update or delete or truncate on subscription_balances
  for each statement execute function refuse_direct_change();

create function open_balance() returns trigger language plpgsql as $$
begin
  insert into subscription_balances (subscription_id) values (new.id);
  return null;
end $$;
create trigger open_balance after insert on subscriptions for each row execute function open_balance();

create function bump_balance_version() returns trigger language plpgsql as $$
begin
  update subscription_balances set version = version + 1 where subscription_id = new.id;
  return null;
end $$;
create trigger bump_balance_version after update of status, starts_at, ends_at, is_current on subscriptions
  for each row execute function bump_balance_version();

create function fold_grants() returns trigger language plpgsql as $$
declare
  wanted integer;
  moved integer;
begin
  perform from subscription_balances
    where subscription_id in (select subscription_id from added) order by subscription_id for update;
  update subscription_balances b
    set tokens_granted = b.tokens_granted + sums.tokens, version = b.version + 1
    from (select subscription_id, sum(tokens)::bigint as tokens from added group by subscription_id) sums
    where b.subscription_id = sums.subscription_id;
  get diagnostics moved = row_count;
  select count(distinct subscription_id) into wanted from added;
  if moved <> wanted then raise exception 'token_grants: no balance for a subscription' using errcode = 'foreign_key_violation'; end if;
  return null;
end $$;
create trigger fold_grants after insert on token_grants
  referencing new table as added for each statement execute function fold_grants();

create function fold_usage() returns trigger language plpgsql as $$
declare
  wanted integer;
  moved integer;
begin
  perform from subscription_balances
    where subscription_id in (select subscription_id from added where billed_tokens > 0) order by subscription_id for update;
  update subscription_balances b
    set tokens_consumed = b.tokens_consumed + sums.tokens, version = b.version + 1
    from (select subscription_id, sum(billed_tokens)::bigint as tokens from added where billed_tokens > 0 group by subscription_id) sums
    where b.subscription_id = sums.subscription_id;
  get diagnostics moved = row_count;
  select count(distinct subscription_id) into wanted from added where billed_tokens > 0;
  if moved <> wanted then raise exception 'ai_usage_log: no balance for a subscription' using errcode = 'foreign_key_violation'; end if;
  return null;
end $$;
create trigger fold_usage after insert on ai_usage_log
  referencing new table as added for each statement execute function fold_usage();

-- Why a subscription gives no access, before tokens are looked at; null where it does.
-- A period that has ended but renews is not expired: whoever meets it starts the next one first.
create function subscription_refusal(status text, starts_at timestamptz, ends_at timestamptz) returns text
  language sql stable return case
    when status is null then 'no_subscription'
    when status = 'inactive' or starts_at > now() then 'subscription_inactive'
    when status <> 'active' or ends_at <= now() then 'subscription_expired'
  end;

-- Starts a period of p_tokens for an account, ending the running one. Unused top-ups move over: at once as many as no
-- hold can still take, the rest by carry_over_rest() when the last hold of the old period is gone.
create function start_period(
  p_id uuid, p_account uuid, p_plan text, p_tokens bigint, p_status text, p_renews boolean,
  p_starts_at timestamptz, p_ends_at timestamptz, p_granted_by uuid
) returns void language plpgsql as $$
declare
  old subscriptions;
  held bigint;
  carried bigint := 0;
begin
  -- Grants wait for the account's row, intents for the old period's: from here on neither can reach that period.
  perform from accounts where id = p_account for update;
  select * into old from subscriptions where account_id = p_account and is_current for update;
  if found then
    -- One statement, for a hold that ends between two would be in neither.
    select h.tokens, greatest(0, least(b.tokens_granted - b.tokens_consumed - h.tokens,
        (select coalesce(sum(g.tokens), 0) from token_grants g where g.subscription_id = old.id and g.kind <> 'period')))
      into held, carried
      from subscription_balances b,
        (select coalesce(sum(tokens), 0)::bigint as tokens from token_holds where subscription_id = old.id) h
      where b.subscription_id = old.id;
    update subscriptions set is_current = false, status = 'ended', ends_at = greatest(starts_at, least(ends_at, now())),
      carried_over = held = 0
      where id = old.id;
  end if;
  insert into subscriptions (id, account_id, plan_id, period_tokens, status, renews, starts_at, ends_at)
    values (p_id, p_account, p_plan, p_tokens, p_status, p_renews, p_starts_at, p_ends_at);
  insert into token_grants (id, account_id, subscription_id, kind, tokens, reason, idempotency_key, granted_by)
    select gen_random_uuid(), p_account, p_id, g.kind, g.tokens, g.reason, g.key, p_granted_by
    from (values ('period', p_tokens, 'Tokens of the period', 'period:' || p_id),
                 ('carry_over', carried, 'Top-ups of the period before', 'carry_over:' || old.id)) g (kind, tokens, reason, key)
    where g.tokens > 0;
end $$;

-- Renews the account's current period where it has ended and renews; true where a new one was started. However late it
-- comes, the next period is the one that contains now, and borders stay where the first one put them.
create function renew_period(p_id uuid, p_account uuid) returns boolean language plpgsql as $$
declare
  old subscriptions;
  period interval;
  starts timestamptz;
begin
  perform from accounts where id = p_account for update;
  select * into old from subscriptions
    where account_id = p_account and is_current and renews and status = 'active' and ends_at <= now() for update;
  if not found then return false; end if;
  select make_interval(days => period_days) into period from plans where id = old.plan_id;
  starts := old.ends_at + floor(extract(epoch from now() - old.ends_at) / extract(epoch from period)) * period;
  perform start_period(p_id, p_account, old.plan_id, old.period_tokens, 'active', true, starts, starts + period, null);
  return true;
end $$;

-- Moves what start_period() had to leave behind for one ended period without holds; true where it is dealt with. Where the
-- heir is just ending itself, the next call finds the next one.
create function carry_over_rest(p_subscription uuid) returns boolean language plpgsql as $$
declare
  old subscriptions;
  heir uuid;
  rest bigint;
begin
  select * into old from subscriptions where id = p_subscription and not is_current and not carried_over for update skip locked;
  if not found or exists (select from token_holds where subscription_id = old.id) then return false; end if;
  select id into heir from subscriptions where account_id = old.account_id and is_current for key share;
  if not found then return false; end if;
  select least(b.tokens_granted - b.tokens_consumed,
      (select coalesce(sum(tokens), 0) from token_grants where subscription_id = old.id and kind <> 'period'))
    - (select coalesce(sum(tokens), 0) from token_grants where idempotency_key = 'carry_over:' || old.id)
    into rest from subscription_balances b where b.subscription_id = old.id;
  if rest > 0 then
    insert into token_grants (id, account_id, subscription_id, kind, tokens, reason, idempotency_key)
      values (gen_random_uuid(), old.account_id, heir, 'carry_over', rest, 'Top-ups of the period before', 'carry_over_rest:' || old.id);
  end if;
  update subscriptions set carried_over = true where id = old.id;
  return true;
end $$;
