-- Jobs: the promise behind every 202, and the statements that workers make about them.

create table jobs (
  id               uuid primary key,
  account_id       uuid not null,
  task             text not null,
  status           text not null default 'queued'
                   check (status in ('queued', 'running', 'completed', 'failed', 'rejected', 'cancelled')),
  input            jsonb not null,
  result           jsonb,
  progress         text,
  error            text,
  error_code       text,
  -- The BullMQ id is <id>_<dispatch>: a new number for every time the row is put on the queue.
  dispatch         integer not null default 1,
  -- The number of the latest claim: whoever carries an older one has lost the job.
  fence            integer not null default 0,
  attempts         integer not null default 0,
  -- How often in a row the job gave its attempt back because running jobs held the tokens.
  waits            integer not null default 0,
  run_after        timestamptz not null default now(),
  lease_expires_at timestamptz,
  created_at       timestamptz not null default now(),
  started_at       timestamptz,
  finished_at      timestamptz
) with (fillfactor = 70);
create index jobs_of_account on jobs (account_id, id desc);
create index jobs_queued on jobs (task, id) where status = 'queued';
create index jobs_running on jobs (lease_expires_at) where status = 'running';

create table job_steps (
  job_id     uuid not null,
  step       text not null,
  output     jsonb not null,
  created_at timestamptz not null default now(),
  primary key (job_id, step)
);

-- One row a key for 24 hours: the same request gets the first answer, another request a 409.
create table idempotency_keys (
  account_id   uuid not null,
  key          text not null,
  request_hash bytea not null,
  job_id       uuid,
  response     jsonb,
  created_at   timestamptz not null default now(),
  primary key (account_id, key)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);

-- What settle() says of one call. verdict: 'billed', 'unbilled' (logged, and the worker goes on with the stored output),
-- 'fenced_out' (logged unbilled; the worker stops).
create type settle_outcome as (hold_id uuid, subscription_id uuid, verdict text, billed_tokens bigint);

-- Settles model calls and moves jobs on, all or nothing, in one round trip.
--   calls: [{hold_id, account_id, subscription_id, job_id, step, fence, task, model, input_tokens, cached_input_tokens,
--            output_tokens, reasoning_tokens, total_tokens, hold_tokens, billable, output, keep_output, evidence, outcome,
--            refused_usage, provider_request_id, latency_ms}]
--   moves: [{job_id, fence, status, result, error, error_code, delay_ms, give_back}]
-- A call is billed only if its very hold row was still there, the job's fence is still the caller's and the step had no
-- output; its output is kept for replay where keep_output says so. Repeated after an unknown commit, a call finds its first outcome by its id.
-- Locks: jobs in id order, then holds in id order, then (by the trigger of the last insert) balances in id order.
create function settle(calls jsonb, moves jsonb)
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
    where h.id in (select (e ->> 'hold_id')::uuid from jsonb_array_elements(calls) e)
    order by h.id for update;
  with call as (
    select * from jsonb_to_recordset(calls) as c (
      hold_id uuid, account_id uuid, subscription_id uuid, job_id uuid, step text, fence integer, task text, model text,
      input_tokens bigint, cached_input_tokens bigint, output_tokens bigint, reasoning_tokens bigint, total_tokens bigint,
      hold_tokens bigint, billable boolean, output jsonb, keep_output boolean, evidence text, outcome text, refused_usage jsonb,
      provider_request_id text, latency_ms integer)
  ), judged as materialized (
    -- Look-ups by key for each call, rather than joins between lists, which would take their product.
    select c.*,
      (select j.fence = c.fence and j.status = 'running' from jobs j where j.id = c.job_id) is true as owned,
      (select j.fence > c.fence from jobs j where j.id = c.job_id) is true as overtaken,
      exists (select from token_holds h where h.id = c.hold_id) as had_hold,
      (select u.billed_tokens from ai_usage_log u where u.id = c.hold_id) as known_tokens,
      exists (select from job_steps s where s.job_id = c.job_id and s.step = c.step)
        or exists (select from ai_usage_log u where u.job_id = c.job_id and u.step = c.step and u.billed_tokens > 0) as had_output
    from call c
  ), priced as materialized (
    select j.*, case
        when j.known_tokens is not null then j.known_tokens
        when j.billable and j.owned and j.had_hold and not j.had_output then least(j.total_tokens, j.hold_tokens)
        else 0 end as priced_tokens
    from judged j
  ), move as materialized (
    select m.*, (select j.fence = m.fence and j.status = 'running' from jobs j where j.id = m.job_id) is true as owned
    from jsonb_to_recordset(moves) as m (
      job_id uuid, fence integer, status text, result jsonb, error text, error_code text, delay_ms integer, give_back boolean)
  ), unheld as (
    delete from token_holds h using call c where h.id = c.hold_id
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
