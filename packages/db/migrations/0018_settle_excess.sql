-- settle() as in migration 3, with one more hold for a call that used more than its own, and with what a job that gave its
-- attempt back waits for:
--   calls: [{…, excess_hold_id, excess_tokens}]
--   moves: [{…, progress}]
-- What a call used above its hold is billed as far as that second hold's row is there, too.
create or replace function settle(calls jsonb, moves jsonb)
returns table (kind text, id uuid, verdict text, billed_tokens bigint, subscription_id uuid,
               tokens_granted bigint, tokens_consumed bigint, version bigint)
language plpgsql as $$
declare
  outcomes settle_outcome[];
  moved uuid[];
begin
  -- Locks are statements of their own: the one that judges sees what others committed while these waited, and nothing
  -- that it judges can change under it.
  perform from jobs j
    where j.id in (select (e ->> 'job_id')::uuid from jsonb_array_elements(calls || moves) e)
    order by j.id for update;
  perform from token_holds h
    where h.id in (
      select unnest(array[(e ->> 'hold_id')::uuid, (e ->> 'excess_hold_id')::uuid]) from jsonb_array_elements(calls) e)
    order by h.id for update;
  with call as (
    select * from jsonb_to_recordset(calls) as c (
      hold_id uuid, account_id uuid, subscription_id uuid, job_id uuid, step text, fence integer, task text, model text,
      input_tokens bigint, cached_input_tokens bigint, output_tokens bigint, reasoning_tokens bigint, total_tokens bigint,
      hold_tokens bigint, excess_hold_id uuid, excess_tokens bigint, billable boolean, output jsonb, keep_output boolean,
      evidence text, outcome text, refused_usage jsonb, provider_request_id text, latency_ms integer)
  ), judged as materialized (
    -- Look-ups by key for each call, rather than joins between lists, which would take their product.
    select c.*,
      (select j.fence = c.fence and j.status = 'running' from jobs j where j.id = c.job_id) is true as owned,
      (select j.fence > c.fence from jobs j where j.id = c.job_id) is true as overtaken,
      exists (select from token_holds h where h.id = c.hold_id) as had_hold,
      case when exists (select from token_holds h where h.id = c.excess_hold_id) then c.excess_tokens else 0 end as held_excess,
      (select u.billed_tokens from ai_usage_log u where u.id = c.hold_id) as known_tokens,
      exists (select from job_steps s where s.job_id = c.job_id and s.step = c.step)
        or exists (select from ai_usage_log u where u.job_id = c.job_id and u.step = c.step and u.billed_tokens > 0) as had_output
    from call c
  ), priced as materialized (
    select j.*, case
        when j.known_tokens is not null then j.known_tokens
        when j.billable and j.owned and j.had_hold and not j.had_output
          then least(j.total_tokens, j.hold_tokens + j.held_excess)
        else 0 end as priced_tokens
    from judged j
  ), move as materialized (
    select m.*, (select j.fence = m.fence and j.status = 'running' from jobs j where j.id = m.job_id) is true as owned
    from jsonb_to_recordset(moves) as m (
      job_id uuid, fence integer, status text, result jsonb, error text, error_code text, delay_ms integer, give_back boolean,
      progress text)
  ), unheld as (
    delete from token_holds h
    using (select c.hold_id from call c union all select c.excess_hold_id from call c where c.excess_hold_id is not null) gone
    where h.id = gone.hold_id
  ), stored as (
    insert into job_steps (job_id, step, output)
    select p.job_id, p.step, p.output from priced p
    where p.known_tokens is null and p.owned and not p.had_output and p.keep_output and p.output is not null
    order by p.job_id, p.step
  ), moved_jobs as (
    update jobs j set
      status = m.status, result = m.result, error = m.error, error_code = m.error_code, lease_expires_at = null,
      run_after = case when m.status = 'queued' then now() + make_interval(secs => m.delay_ms / 1000.0) else j.run_after end,
      attempts = j.attempts - m.give_back::integer,
      waits = case when m.give_back then j.waits + 1 else 0 end,
      progress = case when m.status = 'queued' then coalesce(m.progress, j.progress)
        else nullif(j.progress, 'waiting_for_provider') end,
      finished_at = case when m.status = 'queued' then null else now() end
    from move m where m.owned and j.id = m.job_id
    returning j.id
  ), dropped as (
    -- A failed or rejected job may be put back: what it paid for is then replayed.
    delete from job_steps s using move m
    where m.owned and m.status in ('completed', 'cancelled') and s.job_id = m.job_id
  ), logged as (
    insert into ai_usage_log (id, account_id, subscription_id, job_id, step, fence, task, model, input_tokens,
      cached_input_tokens, output_tokens, reasoning_tokens, total_tokens, billed_tokens, evidence, outcome, refused_usage,
      provider_request_id, latency_ms)
    select p.hold_id, p.account_id, p.subscription_id, p.job_id, p.step, p.fence, p.task, p.model, p.input_tokens,
      p.cached_input_tokens, p.output_tokens, p.reasoning_tokens, p.total_tokens, p.priced_tokens, p.evidence, p.outcome,
      p.refused_usage, p.provider_request_id, p.latency_ms
    from priced p where p.known_tokens is null order by p.subscription_id, p.job_id, p.step
  )
  select
    (select array_agg(row(p.hold_id, p.subscription_id,
        case when p.priced_tokens > 0 then 'billed'
             when p.overtaken or (p.known_tokens is null and not p.owned) then 'fenced_out'
             else 'unbilled' end,
        p.priced_tokens)::settle_outcome) from priced p),
    (select array_agg(mj.id) from moved_jobs mj)
  into outcomes, moved;

  return query
    select 'call', o.hold_id, o.verdict, o.billed_tokens, o.subscription_id, b.tokens_granted, b.tokens_consumed, b.version
    from unnest(outcomes) o join subscription_balances b on b.subscription_id = o.subscription_id
    union all
    select 'move', m, 'moved', null, null, null, null, null from unnest(moved) m;
end $$;
