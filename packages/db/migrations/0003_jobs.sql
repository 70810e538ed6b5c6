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
  -- A statement of its own: the next one sees what another try of the same call committed while this one waited here.
  perform from jobs j
    where j.id in (select (e ->> 'job_id')::uuid from jsonb_array_elements(calls || moves) e)
    order by j.id for update;
  with call as (
    select * from jsonb_to_recordset(calls) as c (
      hold_id uuid, account_id uuid, subscription_id uuid, job_id uuid, step text, fence integer, task text, model text,
      input_tokens bigint, cached_input_tokens bigint, output_tokens bigint, reasoning_tokens bigint, total_tokens bigint,
      hold_tokens bigint, billable boolean, output jsonb, keep_output boolean, evidence text, outcome text, refused_usage jsonb,
      provider_request_id text, latency_ms integer)
  ), move as (
    select * from jsonb_to_recordset(moves) as m (
      job_id uuid, fence integer, status text, result jsonb, error text, error_code text, delay_ms integer, give_back boolean)
  ), target as materialized (
    -- The status is looked at outside the join, or the plan may read every running job.
    select j.id, j.fence, j.status
    from (select c.job_id from call c union select m.job_id from move m) w join jobs j on j.id = w.job_id
  ), owner as (
    select t.id, t.fence from target t
    join (select c.job_id, c.fence from call c union select m.job_id, m.fence from move m) w
      on t.id = w.job_id and t.fence = w.fence
    where t.status = 'running'
  ), held as (
    select h.id from token_holds h where h.id in (select c.hold_id from call c) order by h.id for update
  ), unheld as (
    delete from token_holds h using held where h.id = held.id returning h.id
  ), known as (
    select u.id, u.billed_tokens from ai_usage_log u where u.id in (select c.hold_id from call c)
  ), fresh as (
    select c.*, o.id is not null as owned, u.id is not null as had_hold,
      exists (select from job_steps s where s.job_id = c.job_id and s.step = c.step)
        or exists (select from ai_usage_log u where u.job_id = c.job_id and u.step = c.step and u.billed_tokens > 0) as had_output
    from call c
    left join owner o on o.id = c.job_id and o.fence = c.fence
    left join unheld u on u.id = c.hold_id
    where not exists (select from known k where k.id = c.hold_id)
  ), stored as (
    insert into job_steps (job_id, step, output)
    select f.job_id, f.step, f.output from fresh f
    where f.owned and not f.had_output and f.keep_output and f.output is not null
    order by f.job_id, f.step
  ), moved_jobs as (
    update jobs j set
      status = m.status, result = m.result, error = m.error, error_code = m.error_code, lease_expires_at = null,
      run_after = case when m.status = 'queued' then now() + make_interval(secs => m.delay_ms / 1000.0) else j.run_after end,
      attempts = j.attempts - m.give_back::integer,
      waits = case when m.give_back then j.waits + 1 else 0 end,
      finished_at = case when m.status = 'queued' then null else now() end
    from move m join owner o on o.id = m.job_id and o.fence = m.fence
    where j.id = m.job_id
    returning j.id, m.status
  ), dropped as (
    -- A failed or rejected job may be put back: what it paid for is then replayed.
    delete from job_steps s
    where s.job_id in (select mj.id from moved_jobs mj where mj.status in ('completed', 'cancelled'))
  ), logged as (
    insert into ai_usage_log (id, account_id, subscription_id, job_id, step, fence, task, model, input_tokens,
      cached_input_tokens, output_tokens, reasoning_tokens, total_tokens, billed_tokens, evidence, outcome, refused_usage,
      provider_request_id, latency_ms)
    select f.hold_id, f.account_id, f.subscription_id, f.job_id, f.step, f.fence, f.task, f.model, f.input_tokens,
      f.cached_input_tokens, f.output_tokens, f.reasoning_tokens, f.total_tokens,
      case when f.billable and f.owned and f.had_hold and not f.had_output then least(f.total_tokens, f.hold_tokens) else 0 end,
      f.evidence, f.outcome, f.refused_usage, f.provider_request_id, f.latency_ms
    from fresh f order by f.subscription_id, f.job_id, f.step
    returning ai_usage_log.id, ai_usage_log.subscription_id, ai_usage_log.billed_tokens
  )
  select
    (select array_agg(row(c.hold_id, c.subscription_id,
        case when coalesce(l.billed_tokens, k.billed_tokens) > 0 then 'billed'
             when o.id is null and (k.id is null or exists (select from jobs j where j.id = c.job_id and j.fence > c.fence))
               then 'fenced_out'
             else 'unbilled' end,
        coalesce(l.billed_tokens, k.billed_tokens, 0))::settle_outcome)
     from call c
     left join logged l on l.id = c.hold_id left join known k on k.id = c.hold_id
     left join owner o on o.id = c.job_id and o.fence = c.fence),
    (select array_agg(mj.id) from moved_jobs mj)
  into outcomes, moved;

  return query
    select 'call', o.hold_id, o.verdict, o.billed_tokens, o.subscription_id, b.tokens_granted, b.tokens_consumed, b.version
    from unnest(outcomes) o join subscription_balances b on b.subscription_id = o.subscription_id
    union all
    select 'move', m, 'moved', null, null, null, null, null from unnest(moved) m;
end $$;
