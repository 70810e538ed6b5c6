-- Tokens taken back lower what was granted.

alter table token_grants drop constraint token_grants_kind_check;
alter table token_grants drop constraint token_grants_tokens_check;
-- Validated by the next file, which doesn't keep writers waiting.
alter table token_grants add constraint token_grants_kind_check
  check (kind in ('period', 'top_up', 'adjustment', 'refund', 'carry_over', 'take_back')) not valid;
alter table token_grants add constraint token_grants_tokens_check
  check (case kind when 'take_back' then tokens < 0 else tokens > 0 end) not valid;

-- As in migration 2, but for tokens that are being taken back: they are no top-ups that could move over.
create or replace function start_period(
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
  -- The id may be derived from an operator's key: a repetition starts nothing.
  perform from subscriptions where id = p_id;
  if found then return; end if;
  select * into old from subscriptions where account_id = p_account and is_current for update;
  if found then
    -- One statement, for a hold that ends between two would be in neither.
    select h.tokens, greatest(0, least(b.tokens_granted - b.tokens_consumed - h.tokens,
        (select coalesce(sum(g.tokens), 0) from token_grants g where g.subscription_id = old.id and g.kind <> 'period')
          - h.tokens_taken_back))
      into held, carried
      from subscription_balances b, (
        select coalesce(sum(tokens), 0)::bigint as tokens,
          coalesce(sum(tokens) filter (where step = 'take_back' and fence = 0), 0)::bigint as tokens_taken_back
        from token_holds where subscription_id = old.id) h
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
